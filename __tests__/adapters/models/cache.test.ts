import { beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import {
  cacheFolder,
  findModel,
  listModels,
  modelFolder,
  removeModel,
  type ResolvedModel,
} from '../../../adapters/models/index.js';
import { platformFolder } from '../../../adapters/models/cache-folder.js';
import { ModelSourceError } from '../../../lib/errors.js';
import { newFolder, until } from '../../support/models/cleanup.js';
import {
  file,
  routes,
  serve,
  type ServedFile,
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

const content = modelBytes(5000);
const sha256 = sha256Of(content);

let server: TestServer;
let user: User;
let source: string;
let model: ResolvedModel;

beforeEach(async () => {
  server = await serve(
    routes({ '/m.gguf': file({ content }), '/b.bin': file({ content: modelBytes(100, 2) }) }),
  );
  user = await newUser();
  source = `${server.origin}/m.gguf`;
  model = await user.resolve(source);
});

describe('a model in the cache', () => {
  test('is used without any request, even when its server is gone', async () => {
    await server.close();
    for (const more of [{}, { offline: true }, { verify: true }]) {
      expect(await user.resolve(source, more)).toEqual({ ...model, cached: true });
    }
    expect(await findModel(source, user.options)).toEqual({ ...model, cached: true });
    expect(server.count()).toBe(1);
  });

  test('its record says where it is from, and holds no credentials', async () => {
    const secret = `http://me:hunter2@${server.host}/b.bin?key=hunter2`;
    const { path } = await user.resolve(secret);
    const record = await readFile(join(dirname(path), 'model.json'), 'utf8');
    expect(JSON.parse(record)).toEqual({
      version: 1,
      fileName: 'b.bin',
      source: `${server.origin}/b.bin?…`,
      sha256: sha256Of(modelBytes(100, 2)),
      bytes: 100,
      verification: 'none',
      fetched: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(await readdir(dirname(path))).toEqual(['b.bin', 'model.json']);
  });

  test('what is not there is not fetched offline; the command that fetches it is told', async () => {
    const other = `${server.origin}/other.gguf`;
    const error = await rejection(user.resolve(other, { offline: true }));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain(`chunkweave models pull ${other}`);
    expect(await findModel(other, user.options)).toBeUndefined();
    expect(server.count()).toBe(1);
  });

  test('verify finds a changed file, and it is fetched anew', async () => {
    const changed = Buffer.from(content);
    changed[2500]! ^= 1;
    await writeFile(model.path, changed);
    expect(await user.resolve(source)).toMatchObject({ cached: true });
    expect(await user.resolve(source, { verify: true })).toMatchObject({ cached: false, sha256 });
    expect(user.told('damaged')).toEqual([
      `${model.path} is not what was downloaded; it is removed`,
    ]);
    expect(await hashOf(model.path)).toBe(sha256);
    expect(server.count()).toBe(2);
  });

  test('verify offline finds a changed file too, and removes it', async () => {
    await writeFile(model.path, Buffer.alloc(content.length));
    const more = { verify: true, offline: true };
    expect(await rejection(user.resolve(source, more))).toBeInstanceOf(ModelSourceError);
    expect(await user.files()).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['cut short', () => truncate(model.path, 4000)],
    ['gone', () => rm(model.path)],
  ])('that is %s is none', async (_, spoil) => {
    await spoil();
    expect(await findModel(source, user.options)).toBeUndefined();
    expect(await listModels(user.options)).toEqual([]);
    expect(await user.resolve(source)).toEqual(model);
    expect(await hashOf(model.path)).toBe(sha256);
  });

  const whole = { version: 1, fileName: 'm.gguf', source: 'x', bytes: 5000, verification: 'none' };
  test.each<[string, string]>([
    ['empty', ''],
    ['no JSON', '{"version":1,'],
    ['null', 'null'],
    ['a list', '[]'],
    ['of another version', JSON.stringify({ ...whole, sha256, version: 2 })],
    ['without a hash', JSON.stringify(whole)],
    ['without a verification', JSON.stringify({ ...whole, sha256, verification: 'sure' })],
    ['of a file elsewhere', JSON.stringify({ ...whole, sha256, fileName: '../m.gguf' })],
    [
      'of a file elsewhere on Windows',
      JSON.stringify({ ...whole, sha256, fileName: '..\\m.gguf' }),
    ],
    ['of the folder above', JSON.stringify({ ...whole, sha256, fileName: '..' })],
    ['of no name', JSON.stringify({ ...whole, sha256, fileName: '\0' })],
    ['of another length', JSON.stringify({ ...whole, sha256, bytes: 4999 })],
  ])('with a record that is %s is fetched anew', async (_, record) => {
    await writeFile(join(dirname(model.path), 'model.json'), record);
    expect(await listModels(user.options)).toEqual([]);
    expect(await user.resolve(source)).toEqual(model);
    expect(server.count()).toBe(2);
  });

  test('with the record of another hash is not taken for the pinned one', async () => {
    const pinned = `${source}#sha256=${sha256}`;
    const { path } = await user.resolve(pinned);
    const other = modelBytes(content.length, 3);
    await writeFile(path, other);
    const record = { ...whole, sha256: sha256Of(other), verification: 'pinned' };
    await writeFile(join(dirname(path), 'model.json'), JSON.stringify(record));
    expect(await findModel(pinned, user.options)).toBeUndefined();
    expect(await user.resolve(pinned)).toMatchObject({ sha256, cached: false });
    expect(await hashOf(path)).toBe(sha256);
  });
});

describe('the list', () => {
  test('has all whole models by file name, and nothing else', async () => {
    await user.resolve(`${server.origin}/b.bin`);
    await mkdir(join(user.cache, 'source-unfinished'));
    await mkdir(join(user.cache, 'mine'));
    await writeFile(join(user.cache, 'sha256-file'), '');
    const models = await listModels(user.options);
    expect(models.map(({ fileName }) => fileName)).toEqual(['b.bin', 'm.gguf']);
    expect(models[1]).toEqual({
      fileName: 'm.gguf',
      path: model.path,
      source,
      sha256,
      bytes: content.length,
      verification: 'none',
      fetched: expect.any(String),
    });
  });

  test('is empty where there is no cache', async () => {
    expect(await listModels({ cacheDirectory: join(await newFolder(), 'none') })).toEqual([]);
  });
});

describe('removing', () => {
  test.each<[string, () => string]>([
    ['its source', () => source],
    ['its file name', () => 'm.gguf'],
    ['its path', () => model.path],
  ])('by %s', async (_, name) => {
    expect(await removeModel(name(), user.options)).toBe(true);
    expect(await readdir(user.cache)).toEqual([]);
    expect(await removeModel(name(), user.options)).toBe(false);
    expect(await user.resolve(source)).toMatchObject({ cached: false });
  });

  test('by a file name that looks like an alias', async () => {
    await user.resolve(`${server.origin}/b.bin`);
    expect(await removeModel('b.bin', user.options)).toBe(true);
    expect((await listModels(user.options)).map(({ fileName }) => fileName)).toEqual(['m.gguf']);
  });

  test('by an alias: the folders of all its sources', async () => {
    const sources = [`${server.origin}/none.gguf`, source];
    const aliases = { example: { description: '', sources, licence: { id: 'x' } } };
    expect(await user.resolve('example', { aliases })).toMatchObject({ cached: true });
    expect(await removeModel('example', { ...user.options, aliases })).toBe(true);
    expect(await readdir(user.cache)).toEqual([]);
    const unknown = removeModel('no-such-name', user.options);
    expect(await rejection(unknown)).toBeInstanceOf(ModelSourceError);
  });

  test('what an interrupted download left', async () => {
    const served: ServedFile = { content, etag: '"1"', silentAfter: 3000 };
    const slow = await serve(file(served));
    const stop = new AbortController();
    const going = rejection(user.resolve(`${slow.origin}/s.gguf`, { signal: stop.signal }));
    await until(async () => (await user.files()).some((path) => path.endsWith('.part')));
    stop.abort();
    await going;
    expect(await removeModel(`${slow.origin}/s.gguf`, user.options)).toBe(true);
    expect(await readdir(user.cache)).toEqual([basename(dirname(model.path))]);
  });

  test('never touches a file outside the cache', async () => {
    const mine = join(await newFolder(), 'mine.gguf');
    await writeFile(mine, content);
    expect(await removeModel(mine, user.options)).toBe(false);
    expect(await hashOf(mine)).toBe(sha256);
  });
});

test('a cache may be moved', async () => {
  const moved = join(await newFolder(), 'moved');
  await rename(user.cache, moved);
  const found = await user.resolve(source, { cacheDirectory: moved, offline: true });
  expect(found.path).toBe(join(moved, basename(dirname(model.path)), 'm.gguf'));
});

describe('the folder', () => {
  test('is the one that is named', () => {
    expect(cacheFolder({ CHUNKWEAVE_CACHE: '/c' })).toBe(resolve('/c'));
    expect(cacheFolder({ CHUNKWEAVE_CACHE: 'c' }, '/w')).toBe(resolve('/w/c'));
    expect(modelFolder({ env: { CHUNKWEAVE_CACHE: '/c' } })).toBe(resolve('/c/models'));
    expect(modelFolder({ cacheDirectory: 'm', cwd: '/w' })).toBe(resolve('/w/m'));
    expect(cacheFolder({})).toBe(platformFolder({}, process.platform, homedir()));
  });

  test.each<[NodeJS.Platform, Record<string, string>, string]>([
    ['linux', {}, '/home/me/.cache/chunkweave'],
    ['linux', { XDG_CACHE_HOME: '/x' }, '/x/chunkweave'],
    ['linux', { XDG_CACHE_HOME: 'relative' }, '/home/me/.cache/chunkweave'],
    ['freebsd', {}, '/home/me/.cache/chunkweave'],
    ['darwin', { XDG_CACHE_HOME: '/x' }, '/home/me/Library/Caches/chunkweave'],
    ['win32', { LOCALAPPDATA: 'D:\\Local' }, 'D:\\Local\\chunkweave\\Cache'],
  ])('on %s with %j is %s', (platform, env, folder) => {
    expect(platformFolder(env, platform, '/home/me')).toBe(folder);
  });

  test('on Windows without LOCALAPPDATA', () => {
    expect(platformFolder({}, 'win32', 'C:\\Users\\me')).toBe(
      'C:\\Users\\me\\AppData\\Local\\chunkweave\\Cache',
    );
  });
});
