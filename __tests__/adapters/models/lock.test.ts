import { describe, expect, test } from '@jest/globals';
import { EventEmitter, once } from 'node:events';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../../../adapters/models/lock.js';
import { newFolder, until } from '../../support/models/cleanup.js';
import { deadProcess, pull } from '../../support/models/process.js';
import { file, serve, type ServedFile } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';

const content = modelBytes();
const sha256 = sha256Of(content);

function token(pid: number, host = hostname()): string {
  return JSON.stringify({ pid, host, id: 'x' });
}

async function run(): Promise<string> {
  return 'done';
}

async function age(path: string, ageMs: number): Promise<void> {
  const at = new Date(Date.now() - ageMs);
  await utimes(path, at, at);
}

async function lockFile(text?: string, ageMs = 0): Promise<string> {
  const path = join(await newFolder(), 'lock');
  if (text !== undefined) {
    await writeFile(path, text);
    await age(path, ageMs);
  }
  return path;
}

describe('a lock', () => {
  test('lets one in at a time, and all in the end', async () => {
    const path = await lockFile();
    let inside = 0;
    let waits = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      expect(inside).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside -= 1;
    };
    const onWait = (): void => {
      waits += 1;
    };
    await Promise.all(Array.from({ length: 4 }, () => withLock(path, { onWait }, work)));
    expect(waits).toBe(3);
    expect(await readdir(join(path, '..'))).toEqual([]);
  });

  test('is gone after a failure too, which goes through', async () => {
    const path = await lockFile();
    const failure = new Error('failed');
    expect(await rejection(withLock(path, {}, () => Promise.reject(failure)))).toBe(failure);
    expect(await readdir(join(path, '..'))).toEqual([]);
  });

  test('of a process that is over is taken at once', async () => {
    const path = await lockFile(token(await deadProcess()));
    expect(await withLock(path, { onWait: () => expect('waited').toBe('') }, run)).toBe('done');
    expect(await readdir(join(path, '..'))).toEqual([]);
  });

  test.each([
    ['another machine', token(process.pid, 'elsewhere')],
    ['this process', token(process.pid)],
    ['nobody knows whom', ''],
    ['a broken text', '{"pid":'],
    ['another text', 'null'],
  ])('of %s is taken after a long silence only', async (_, text) => {
    const silent = await lockFile(text, 60_000);
    expect(await withLock(silent, {}, run)).toBe('done');
    const alive = await lockFile(text, 5000);
    const stop = new AbortController();
    const reason = new Error('enough');
    const onWait = (): void => stop.abort(reason);
    expect(await rejection(withLock(alive, { signal: stop.signal, onWait }, run))).toBe(reason);
    expect(await readFile(alive, 'utf8')).toBe(text);
  });

  test('is taken though one that was taking it away died', async () => {
    const path = await lockFile(token(await deadProcess()));
    await writeFile(`${path}.removal`, '');
    await age(`${path}.removal`, 60_000);
    expect(await withLock(path, {}, run)).toBe('done');
    expect(await readdir(join(path, '..'))).toEqual([]);
  });

  test('is left alone once it belongs to another', async () => {
    const path = await lockFile();
    await withLock(path, {}, () => writeFile(path, 'of another'));
    expect(await readFile(path, 'utf8')).toBe('of another');
  });

  test('shows signs of life', async () => {
    const path = await lockFile();
    await withLock(path, {}, async () => {
      await age(path, 15_000);
      const before = (await stat(path)).mtimeMs;
      await until(async () => (await stat(path)).mtimeMs > before);
    });
  });

  test('in a folder that is not there is an error', async () => {
    const path = join(await newFolder(), 'none', 'lock');
    expect(await rejection(withLock(path, {}, run))).toMatchObject({ code: 'ENOENT' });
  });
});

describe('the same model at the same time', () => {
  test('in one process is fetched once', async () => {
    const server = await serve(file({ content }));
    const user = await newUser();
    const source = `${server.origin}/m.gguf`;
    const models = await Promise.all([1, 2, 3].map(() => user.resolve(source)));
    expect(models.map(({ sha256 }) => sha256)).toEqual([sha256, sha256, sha256]);
    expect(models.filter(({ cached }) => !cached)).toHaveLength(1);
    expect(server.count()).toBe(1);
  });

  test('in two processes is fetched once', async () => {
    const gate = new EventEmitter();
    const opened = once(gate, 'open');
    const answer = file({ content, etag: '"1"' });
    const server = await serve((request, response) => {
      void opened.then(() => answer(request, response));
    });
    const user = await newUser();
    const source = `${server.origin}/m.gguf`;
    const processes = [pull(source, user.options), pull(source, user.options)];
    await Promise.race(processes.map(({ told }) => told('waiting')));
    gate.emit('open');
    const models = await Promise.all(processes.map(({ result }) => result));
    expect(models.map(({ cached }) => cached).toSorted()).toEqual([false, true]);
    for (const model of models) expect(model).toMatchObject({ sha256, bytes: content.length });
    expect(models[0]!.path).toBe(models[1]!.path);
    expect(server.count()).toBe(1);
    expect(await user.files()).toHaveLength(2);
  });

  test('the one that waits goes on where a killed one was', async () => {
    const served: ServedFile = { content, etag: '"1"', silentAfter: 80_000 };
    const server = await serve(file(served));
    const user = await newUser();
    const source = `${server.origin}/m.gguf`;
    const first = pull(source, user.options);
    await until(async () => {
      const part = (await user.files()).find((path) => path.endsWith('.part'));
      return part !== undefined && (await stat(join(user.cache, part))).size === 80_000;
    });
    const second = pull(source, user.options);
    await second.told('waiting');
    served.silentAfter = undefined;
    first.child.kill('SIGKILL');
    await once(first.child, 'close');
    expect(await second.result).toMatchObject({ sha256, cached: false });
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=80000-',
    ]);
    expect(await user.files()).toHaveLength(2);
  });
});
