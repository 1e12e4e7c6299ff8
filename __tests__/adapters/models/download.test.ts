import { describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSourceError } from '../../../lib/errors.js';
import { until } from '../../support/models/cleanup.js';
import { deadPort, file, serve, type ServedFile } from '../../support/models/server.js';
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
const etag = '"1"';

/** The range that each request asked for, and on which condition. */
async function setUp(served: ServedFile, pinned = false) {
  const server = await serve(file(served));
  const source = `${server.origin}/m.gguf${pinned ? `#sha256=${sha256}` : ''}`;
  const asked = (): (string | undefined)[][] =>
    server.requests.map(({ headers }) => [headers.range, headers['if-range'] as string]);
  const user = await newUser();
  served.beforeCut = (at) => until(async () => (await partOf(user)).length === at);
  return { server, source, asked, user };
}

/** Starts a download, and stops it when so many bytes are on disk. */
async function stopAt(bytes: number, user: User, source: string): Promise<void> {
  const stop = new AbortController();
  const reason = new Error('stopped by the user');
  const going = rejection(user.resolve(source, { signal: stop.signal }));
  await until(async () => (await partOf(user)).length >= bytes);
  stop.abort(reason);
  expect(await going).toBe(reason);
}

async function partOf(user: User): Promise<Buffer> {
  const name = (await user.files()).find((path) => path.endsWith('.part'));
  if (name === undefined) return Buffer.alloc(0);
  return readFile(join(user.cache, name)).catch(() => Buffer.alloc(0));
}

async function rewrite(user: User, name: string, changes: object): Promise<void> {
  const path = join(user.cache, `${name}.json`);
  const notes = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...notes, ...changes }));
}

describe('a connection that breaks', () => {
  test('goes on where it broke, on the condition that the file is the same', async () => {
    const { source, asked, user } = await setUp({ content, etag, cuts: [60_000, 50_000] });
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(asked()).toEqual([
      [undefined, undefined],
      ['bytes=60000-', etag],
      ['bytes=110000-', etag],
    ]);
    expect(user.told('retry')).toHaveLength(2);
    expect(await user.files()).toHaveLength(2);
  });

  test('a date is as good as an ETag, a weak ETag is none', async () => {
    const modified = 'Sun, 06 Nov 1994 08:49:37 GMT';
    const dated = await setUp({ content, etag: 'W/"1"', modified, cuts: [60_000] });
    await dated.user.resolve(dated.source);
    expect(dated.asked()[1]).toEqual(['bytes=60000-', modified]);
  });

  test('without any sign of sameness it starts over, unless a hash is checked at the end', async () => {
    const plain = await setUp({ content, etag: 'W/"1"', cuts: [60_000] });
    const model = await plain.user.resolve(plain.source);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(plain.asked()[1]).toEqual([undefined, undefined]);
    const pinned = await setUp({ content, cuts: [60_000] }, true);
    await pinned.user.resolve(pinned.source);
    expect(pinned.asked()[1]).toEqual(['bytes=60000-', undefined]);
  });

  const newer = modelBytes(150_000, 9);
  test.each<[string, ServedFile, Partial<ServedFile>]>([
    ['its ETag', { content, etag, cuts: [60_000] }, { etag: '"2"' }],
    [
      'its ETag, and the server does not heed the condition',
      { content, etag, cuts: [60_000], heedsIfRange: false },
      { etag: '"2"' },
    ],
    [
      'its date, and the server does not heed the condition',
      { content, modified: 'Sun, 06 Nov 1994 08:49:37 GMT', cuts: [60_000], heedsIfRange: false },
      { modified: 'Mon, 07 Nov 1994 08:49:37 GMT' },
    ],
    ['its ETag, and it is now shorter', { content, etag, cuts: [180_000] }, { etag: '"2"' }],
    [
      'its length only, and is now shorter (416)',
      { content, etag, cuts: [180_000], heedsIfRange: false },
      {},
    ],
  ])('a file that changed %s is fetched anew', async (_, served, changes) => {
    const { server, source, user } = await setUp(served);
    const going = user.resolve(source);
    await until(() => server.count() === 1);
    Object.assign(served, { content: newer, ...changes });
    const model = await going;
    expect(await hashOf(model.path)).toBe(sha256Of(newer));
    expect(model).toMatchObject({ bytes: newer.length, sha256: sha256Of(newer) });
  });

  test('a server that knows no ranges starts over', async () => {
    const { source, user } = await setUp({ content, etag, ranges: false, cuts: [60_000] });
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256);
  });

  test('without a length, the end of the answer is the end of the file', async () => {
    const { source, user } = await setUp({ content, etag, length: false, cuts: [60_000] });
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(user.progress.at(-1)).toMatchObject({ bytes: content.length });
  });

  test('attempts are bounded when nothing is gained', async () => {
    const { server, source, user } = await setUp({ content, etag, cuts: Array(20).fill(0) });
    const error = await rejection(user.resolve(source));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain('the connection to 127.0.0.1');
    expect(server.count()).toBe(3);
  });

  test('attempts are bounded when each starts over and breaks at another place', async () => {
    const cuts = [60_000, 50_000, 55_000, 50_000, 55_000, 50_000, 55_000, 50_000];
    const { server, source, user } = await setUp({ content, etag, ranges: false, cuts });
    expect(await rejection(user.resolve(source))).toBeInstanceOf(ModelSourceError);
    expect(server.count()).toBe(3);
  });

  test('attempts begin to count anew with every byte gained', async () => {
    const cuts = [30_000, 0, 30_000, 0];
    const { server, source, user } = await setUp({ content, etag, cuts });
    await user.resolve(source);
    expect(server.count()).toBe(5);
  });

  test('no attempt is repeated with retries: 0', async () => {
    const { server, source, user } = await setUp({ content, etag, cuts: [60_000] });
    const error = await rejection(user.resolve(source, { retries: 0 }));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(server.count()).toBe(1);
    expect((await partOf(user)).equals(content.subarray(0, 60_000))).toBe(true);
  });
});

describe('an abort', () => {
  test('rejects with its reason; the next call goes on', async () => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { source, asked, user } = await setUp(served);
    await stopAt(80_000, user, source);
    expect((await user.files()).filter((path) => path.includes('lock'))).toEqual([]);
    served.silentAfter = undefined;
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(asked()).toEqual([
      [undefined, undefined],
      ['bytes=80000-', etag],
    ]);
    expect(user.told('resume')).toEqual(['going on after 80000 bytes of an earlier download']);
  });

  test('before anything began makes no request', async () => {
    const { server, source, user } = await setUp({ content });
    const reason = new Error('too late');
    expect(await rejection(user.resolve(source, { signal: AbortSignal.abort(reason) }))).toBe(
      reason,
    );
    expect(server.count()).toBe(0);
    expect(await user.files()).toEqual([]);
  });

  test('before the server answers', async () => {
    const server = await serve(() => {});
    const user = await newUser();
    const stop = new AbortController();
    const reason = new Error('stopped');
    const going = rejection(user.resolve(`${server.origin}/m.gguf`, { signal: stop.signal }));
    await until(() => server.count() === 1);
    stop.abort(reason);
    expect(await going).toBe(reason);
  });

  test('in the pause between two attempts', async () => {
    const server = await serve((_, response) => {
      response.writeHead(503, { 'retry-after': '60' }).end();
    });
    const user = await newUser();
    const stop = new AbortController();
    const reason = new Error('stopped');
    const going = rejection(user.resolve(`${server.origin}/m.gguf`, { signal: stop.signal }));
    await until(() => user.told('retry').length === 1);
    stop.abort(reason);
    expect(await going).toBe(reason);
  });
});

describe('what an earlier call left', () => {
  test('is not taken over once the file changed', async () => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { source, user } = await setUp(served);
    await stopAt(80_000, user, source);
    const newer = modelBytes(150_000, 9);
    Object.assign(served, { content: newer, etag: '"2"', silentAfter: undefined });
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256Of(newer));
  });

  test.each<[string, (user: User, name: string) => Promise<void>]>([
    ['without notes', (user, name) => writeFile(join(user.cache, `${name}.json`), '{')],
    ['with notes of something else', (user, name) => rewrite(user, name, { identity: 'x' })],
    [
      'with notes that are no object',
      (user, name) => writeFile(join(user.cache, `${name}.json`), '7'),
    ],
    ['without a validator', (user, name) => rewrite(user, name, { etag: undefined })],
    ['longer than it may be', (user, name) => rewrite(user, name, { total: 10 })],
  ])('%s is fetched anew', async (_, spoil) => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { source, asked, user } = await setUp(served);
    await stopAt(80_000, user, source);
    const name = (await user.files()).find((path) => path.endsWith('.part'))!;
    await spoil(user, name);
    served.silentAfter = undefined;
    const model = await user.resolve(source);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(asked()[1]).toEqual([undefined, undefined]);
  });

  test('and was damaged meanwhile is found by the hash, and fetched anew', async () => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { source, asked, user } = await setUp(served, true);
    await stopAt(80_000, user, source);
    const name = (await user.files()).find((path) => path.endsWith('.part'))!;
    await writeFile(join(user.cache, name), Buffer.alloc(80_000));
    served.silentAfter = undefined;
    expect(await user.resolve(source)).toMatchObject({ sha256, verification: 'pinned' });
    expect(asked().map(([range]) => range)).toEqual([undefined, 'bytes=80000-', undefined]);
    expect(user.told('retry').at(-1)).toContain('starting over');
  });

  test('and is whole with its hash pinned needs no further request', async () => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { server, source, user } = await setUp(served, true);
    await stopAt(80_000, user, source);
    const name = (await user.files()).find((path) => path.endsWith('.part'))!;
    await writeFile(join(user.cache, name), content);
    expect(await user.resolve(source)).toMatchObject({ sha256 });
    expect(server.count()).toBe(1);
  });
});

describe('progress', () => {
  test('never falls, and ends with the whole', async () => {
    const served: ServedFile = { content, etag, cuts: [60_000, 50_000] };
    const { source, user } = await setUp(served);
    await user.resolve(source);
    const steps = user.progress.map(({ bytes }) => bytes);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    for (const { total, bytesPerSecond } of user.progress) {
      expect([undefined, content.length]).toContain(total);
      expect(bytesPerSecond).toBeGreaterThanOrEqual(0);
    }
    expect(user.progress.at(-1)).toMatchObject({ bytes: content.length, total: content.length });
  });

  test('counts what an earlier call left', async () => {
    const served: ServedFile = { content, etag, silentAfter: 80_000 };
    const { source, user } = await setUp(served);
    await stopAt(80_000, user, source);
    served.silentAfter = undefined;
    user.progress.length = 0;
    await user.resolve(source);
    expect(user.progress[0]).toMatchObject({ bytes: 80_000, total: content.length });
  });
});

describe('an answer that is none', () => {
  test.each([
    [500, 3],
    [503, 3],
    [429, 3],
    [408, 3],
    [404, 1],
    [403, 1],
    [304, 1],
  ])('%d: %d attempts', async (code, attempts) => {
    const server = await serve((_, response) => {
      response.writeHead(code, { 'retry-after': '0.05' }).end();
    });
    const user = await newUser();
    const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain(`${server.host} answered ${code}`);
    expect(server.count()).toBe(attempts);
    expect(await user.files()).toEqual([]);
  });

  test('429 once, then the file', async () => {
    const served = file({ content });
    const server = await serve((request, response) => {
      if (server.count() > 1) served(request, response);
      else response.writeHead(429, { 'retry-after': '0.05' }).end();
    });
    const user = await newUser();
    expect(await user.resolve(`${server.origin}/m.gguf`)).toMatchObject({ sha256 });
    expect(user.told('retry')).toEqual([`${server.host} answered 429; trying again`]);
  });

  test('nobody listens', async () => {
    const port = await deadPort();
    const user = await newUser();
    const error = await rejection(user.resolve(`http://127.0.0.1:${port}/m.gguf`));
    expect(error.message).toContain(`127.0.0.1:${port} cannot be reached (ECONNREFUSED)`);
    expect(user.told('retry')).toEqual([]);
    expect(await user.files()).toEqual([]);
  });

  test('silence before the first answer', async () => {
    const server = await serve(() => {});
    const user = await newUser({}, { connectTimeoutMs: 50, idleTimeoutMs: 50, retries: 1 });
    const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
    expect(error.message).toContain(`${server.host} fell silent`);
    expect(server.count()).toBe(2);
  });

  test('silence in the middle; what came is kept', async () => {
    const { server, source, user } = await setUp({ content, etag, silentAfter: 80_000 });
    const error = await rejection(user.resolve(source, { idleTimeoutMs: 800, retries: 0 }));
    expect(error.message).toContain(`${server.host} fell silent`);
    expect((await partOf(user)).length).toBe(80_000);
  });

  test('a compressed content that was not asked for is refused', async () => {
    const { server, source, user } = await setUp({
      content,
      headers: { 'content-encoding': 'gzip' },
    });
    const error = await rejection(user.resolve(source));
    expect(error.message).toContain('sent the file gzip-encoded, unasked');
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
    expect(server.count()).toBe(1);
    expect(await user.files()).toEqual([]);
  });

  test('a part that nobody asked for is refused, a bounded number of times', async () => {
    const server = await serve((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('56789');
    });
    const user = await newUser();
    const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
    expect(error.message).toContain('sent another part than was asked for');
    expect(server.count()).toBe(3);
  });

  test('more bytes than announced are refused, and nothing stays', async () => {
    const server = await serve((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end(content);
    });
    const user = await newUser();
    const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
    expect(error.message).toContain('sent more bytes than it announced');
    expect(await user.files()).toEqual([]);
  });
});
