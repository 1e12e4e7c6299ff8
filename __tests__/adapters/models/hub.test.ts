import { describe, expect, test } from '@jest/globals';
import { ModelSourceError } from '../../../lib/errors.js';
import {
  file,
  type Handler,
  redirect,
  routes,
  serve,
  type ServedFile,
  status,
  type TestServer,
} from '../../support/models/server.js';
import {
  hashOf,
  modelBytes,
  newUser,
  rejection,
  sha256Of,
  type User,
} from '../../support/models/user.js';

const content = modelBytes();
const sha256 = sha256Of(content);
const source = 'hf:owner/repo/sub folder/m.gguf';
const path = '/owner/repo/resolve/main/sub%20folder/m.gguf';

/** A hub that names the hash of the file and sends on to where it lies. */
async function hub(
  served: ServedFile,
  hash = sha256,
): Promise<{ front: TestServer; storage: TestServer; user: User }> {
  const storage = await serve(file(served));
  const linked = redirect(`${storage.origin}/blob?signature=hunter2`, {
    'x-linked-etag': `"${hash}"`,
  });
  const front = await serve(routes({ [path]: linked }));
  const user = await newUser({ HF_ENDPOINT: `${front.origin}/`, HF_TOKEN: 'hf_secret' });
  return { front, storage, user };
}

test('the hash that the hub publishes is what vouches for the file', async () => {
  const { front, storage, user } = await hub({ content });
  const model = await user.resolve(source);
  expect(model).toMatchObject({ source, sha256, verification: 'published', cached: false });
  expect(await hashOf(model.path)).toBe(sha256);
  expect(user.told('unverified')).toEqual([]);
  expect([front.count(), storage.count()]).toEqual([1, 1]);
});

test('the token goes to the hub only, not to where it sends on', async () => {
  const { front, storage, user } = await hub({ content });
  await user.resolve(source);
  expect(front.requests[0]?.headers.authorization).toBe('Bearer hf_secret');
  expect(storage.requests[0]?.headers).not.toHaveProperty('authorization');
  expect(JSON.stringify(storage.requests)).not.toContain('hf_secret');
});

test('the token goes along a redirect within the hub, and again after a way outside', async () => {
  const front: TestServer = await serve(
    routes({
      [path]: redirect('/moved'),
      '/moved': redirect(() => `${outside.origin}/there`),
      '/back': file({ content }),
    }),
  );
  const outside: TestServer = await serve(redirect(() => `${front.origin}/back`));
  const user = await newUser({ HF_ENDPOINT: front.origin, HF_TOKEN: 'hf_secret' });
  await user.resolve(source);
  const tokens = front.requests.map(({ path, headers }) => [path, headers.authorization]);
  expect(tokens).toEqual([
    [path, 'Bearer hf_secret'],
    ['/moved', 'Bearer hf_secret'],
    ['/back', 'Bearer hf_secret'],
  ]);
  expect(outside.requests[0]?.headers).not.toHaveProperty('authorization');
});

test('another port of the same host is another origin', async () => {
  const other = await serve(file({ content }));
  const front = await serve(redirect(`http://user:pw@127.0.0.1:${other.port}/`));
  const user = await newUser({ HF_ENDPOINT: front.origin, HF_TOKEN: 'hf_secret' });
  await user.resolve(source);
  // What the redirect itself names is its own.
  expect(other.requests[0]?.headers.authorization).toMatch(/^Basic /);
});

test('without a token none is sent', async () => {
  const front = await serve(file({ content }));
  const user = await newUser({ HF_ENDPOINT: front.origin, HF_TOKEN: '' });
  expect(await user.resolve(source)).toMatchObject({ verification: 'none' });
  expect(user.told('unverified')).toHaveLength(1);
  expect(front.requests[0]?.headers).not.toHaveProperty('authorization');
});

test('content with another hash than the published one is refused, and nothing stays', async () => {
  const { user } = await hub({ content: modelBytes(5000, 2) });
  const error = await rejection(user.resolve(source));
  expect(error).toBeInstanceOf(ModelSourceError);
  expect(error.message).toContain(`its publisher says ${sha256}`);
  expect(await user.files()).toEqual([]);
});

test('a pinned file that the hub no longer has is noticed before it is fetched', async () => {
  const { user, storage } = await hub({ content, etag: '"1"' });
  const wanted = '0'.repeat(64);
  const error = await rejection(user.resolve(`${source}#sha256=${wanted}`));
  expect(error.message).toContain(
    `it now holds another file (SHA-256 ${sha256}, wanted ${wanted})`,
  );
  expect(await user.files()).toEqual([]);
  expect(storage.count()).toBe(1);
});

test('the hash of a file that changes between two attempts is the one of its last answer', async () => {
  const newer = modelBytes(150_000, 7);
  const served: ServedFile = { content, etag: '"1"', cuts: [100_000] };
  const storage = await serve(file(served));
  const front = await serve((request, response) => {
    const second = front.count() > 1;
    if (second) Object.assign(served, { content: newer, etag: '"2"' });
    const hash = sha256Of(served.content);
    redirect(storage.origin, { 'x-linked-etag': hash })(request, response);
  });
  const user = await newUser({ HF_ENDPOINT: front.origin });
  expect(await user.resolve(source)).toMatchObject({
    sha256: sha256Of(newer),
    bytes: newer.length,
    verification: 'published',
  });
});

test('a whole file that nobody compared yet is not trusted the next time', async () => {
  const { user, storage } = await hub({ content, etag: '"1"' });
  const stop = new AbortController();
  const onProgress = ({ bytes, total }: { bytes: number; total: number | undefined }): void => {
    if (bytes === total) stop.abort(new Error('stopped'));
  };
  // The last bytes may come in one piece with others: then the report of the end stops it.
  const first = await rejection(user.resolve(source, { signal: stop.signal, onProgress }));
  expect(first.message).toBe('stopped');
  expect(await user.resolve(source)).toMatchObject({ sha256, verification: 'published' });
  expect(storage.requests.at(-1)?.headers.range).toBe(`bytes=${content.length - 1}-`);
});

describe('an endpoint', () => {
  test('that is no URL is told without showing it', async () => {
    const user = await newUser({ HF_ENDPOINT: 'https://me:hunter2@no host' });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain('HF_ENDPOINT is no URL');
    expect(JSON.stringify([error.message, String(error.cause), error.cause])).not.toContain(
      'hunter2',
    );
  });

  test('that is not encrypted is not asked', async () => {
    const user = await newUser({ HF_ENDPOINT: 'http://hub.example.com' });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain('is not encrypted and was not asked');
  });

  const answers: [string, Handler, RegExp][] = [
    ['401', status(401), /answered 401: it wants credentials, or the terms accepted/],
    ['403', status(403), /answered 403: it wants credentials, or the terms accepted/],
    ['404', status(404), /answered 404\./],
    ['410', status(410), /answered 410\./],
    ['302 to nowhere', status(302), /answered 302\./],
    ['302 to no URL', redirect('http://[/'), /redirects to nowhere/],
    ['302 to a plain server', redirect('http://e.example/a?b=c'), /e\.example\/a\?… is not encr/],
    ['302 to a file', redirect('file:///etc/passwd'), /file:.*was not asked/],
    ['302 in circles', redirect('/again'), /redirects in circles/],
  ];
  test.each(answers)('%s is told, and asked once', async (_, handler, message) => {
    const front = await serve(handler);
    const user = await newUser({ HF_ENDPOINT: front.origin });
    const error = await rejection(user.resolve(source));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(source);
    expect(front.count(path)).toBe(1);
    expect(front.count()).toBeLessThanOrEqual(11);
    expect(await user.files()).toEqual([]);
  });
});
