import { describe, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findModel, modelAliases, type ModelAlias } from '../../../adapters/models/index.js';
import { parseDigest, parseRemote } from '../../../adapters/models/source.js';
import { InvalidArgumentError, ModelFileError, ModelSourceError } from '../../../lib/errors.js';
import { newFolder } from '../../support/models/cleanup.js';
import { deadPort, file, routes, serve, status } from '../../support/models/server.js';
import { modelBytes, newUser, rejection, sha256Of } from '../../support/models/user.js';

const content = modelBytes();
const sha256 = sha256Of(content);

describe('a local file', () => {
  test('by its path, from the folder that is named, or by its URL', async () => {
    const folder = await newFolder();
    const path = join(folder, 'm.gguf');
    await writeFile(path, content);
    const user = await newUser();
    const expected = {
      path,
      source: path,
      sha256: undefined,
      bytes: content.length,
      verification: 'none',
      cached: true,
    };
    expect(await user.resolve(path)).toEqual(expected);
    expect(await user.resolve('m.gguf', { cwd: folder })).toEqual(expected);
    expect(await user.resolve('./m.gguf', { cwd: folder, offline: true })).toEqual(expected);
    expect(await user.resolve(pathToFileURL(path).href)).toEqual(expected);
    expect(await findModel(path)).toEqual(expected);
    expect(await user.files()).toEqual([]);
  });

  test('has the hash that is asked for', async () => {
    const path = join(await newFolder(), 'm.gguf');
    await writeFile(path, content);
    const user = await newUser();
    expect(await user.resolve(path, { sha256: sha256.toUpperCase() })).toMatchObject({
      sha256,
      verification: 'pinned',
    });
    const error = await rejection(user.resolve(path, { sha256: '0'.repeat(64) }));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain(sha256);
  });

  test('a folder without a model says what it lacks', async () => {
    const folder = await newFolder();
    const error = await rejection((await newUser()).resolve(folder));
    expect(error).toBeInstanceOf(ModelFileError);
    expect(error.message).toContain(folder);
    expect(error.message).toContain('config.json');
  });

  test('that is not there is missing', async () => {
    const folder = await newFolder();
    const user = await newUser();
    for (const path of [join(folder, 'none.gguf'), join(folder, 'a\0.gguf')]) {
      const error = await rejection(user.resolve(path));
      expect(error).toBeInstanceOf(ModelSourceError);
      expect(error.message).toContain(path);
      expect(await findModel(path)).toBeUndefined();
    }
  });

  test('bad arguments are told as such', async () => {
    const user = await newUser();
    for (const source of ['', 'hf:x', 'file://elsewhere.example.com/m.gguf']) {
      expect(await rejection(user.resolve(source))).toBeInstanceOf(InvalidArgumentError);
      expect(await rejection(findModel(source))).toBeInstanceOf(InvalidArgumentError);
    }
    const badHash = user.resolve('m.gguf', { sha256: 'abc' });
    expect(await rejection(badHash)).toBeInstanceOf(InvalidArgumentError);
  });
});

describe('an alias', () => {
  const licence = { id: 'Example-1.0', notice: 'Example terms apply.' };
  const alias = (about: Partial<ModelAlias>): ModelAlias => ({
    description: 'an example',
    sources: [],
    licence,
    ...about,
  });

  test('the built-in ones can all be read', () => {
    for (const [name, { sources, sha256: pin, fileName }] of Object.entries(modelAliases)) {
      expect(name).toMatch(/^[a-z0-9][a-z0-9.-]*$/);
      for (const source of sources) expect(parseRemote(source).fileName).toMatch(/\.gguf$/i);
      if (pin !== undefined) expect(parseDigest(pin)).toBe(pin);
      expect(fileName ?? 'm.gguf').toMatch(/\.gguf$/);
    }
  });

  test('that is unknown: the nearest names are told', async () => {
    const user = await newUser();
    const error = await rejection(user.resolve('smollm2-135-instruct'));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain('do you mean smollm2-135m-instruct');
    const far = await rejection(user.resolve('zzzzzzzzzzzzzzzz'));
    expect(far.message).toContain('No model is called "zzzzzzzzzzzzzzzz".');
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      expect(await rejection(user.resolve(name))).toBeInstanceOf(ModelSourceError);
    }
  });

  test('of the caller wins over a built-in one, in any case of letters', async () => {
    const server = await serve(routes({ '/m.gguf': file({ content }) }));
    const mine = alias({
      sources: [`${server.origin}/m.gguf`],
      sha256: sha256.toUpperCase(),
      fileName: 'mine.gguf',
    });
    const user = await newUser({}, { aliases: { 'qwen3-4b': mine, MyModel: mine } });
    expect(await user.resolve('Qwen3-4B')).toMatchObject({
      alias: 'qwen3-4b',
      licence,
      sha256,
      verification: 'pinned',
      cached: false,
    });
    expect(user.told('licence')).toEqual(['Example terms apply.']);
    expect(await user.resolve('MyModel')).toMatchObject({ alias: 'MyModel', cached: true });
    expect(basename((await user.resolve('MyModel')).path)).toBe('mine.gguf');
    expect(user.told('licence')).toHaveLength(1);
  });

  test('its sources are tried in their order, and those that give nothing are told', async () => {
    const port = await deadPort();
    const bad = await serve(status(404));
    const wrong = await serve(file({ content: modelBytes(1000, 2) }));
    const good = await serve(file({ content }));
    const sources = [
      `http://127.0.0.1:${port}/m.gguf`,
      `${bad.origin}/m.gguf`,
      `${wrong.origin}/m.gguf`,
      `${good.origin}/m.gguf`,
    ];
    const aliases = { example: alias({ sources, sha256 }) };
    const user = await newUser({}, { aliases });
    const model = await user.resolve('example');
    expect(model).toMatchObject({ source: sources[3], alias: 'example', sha256 });
    const skipped = user.told('skipped');
    expect(skipped).toHaveLength(3);
    expect(skipped[0]).toMatch(/cannot be reached \(ECONNREFUSED\)/);
    expect(skipped[1]).toMatch(/answered 404/);
    expect(skipped[2]).toMatch(/has SHA-256 .* wanted is/);
    for (const [index, message] of skipped.entries()) expect(message).toContain(sources[index]);
    expect(user.notices.map(({ kind }) => kind).filter((kind) => kind !== 'source')).toEqual([
      'licence',
      'skipped',
      'skipped',
      'skipped',
    ]);
    expect([bad.count(), wrong.count(), good.count()]).toEqual([1, 1, 1]);
    const folder = basename(dirname(model.path));
    expect(await user.files()).toEqual([`${folder}/m.gguf`, `${folder}/model.json`]);
  });

  test('what an earlier source left is cleared away once another gave the file', async () => {
    const broken = await serve(
      file({ content, etag: '"1"', cuts: [90_000, 0, 0, 0, 0, 0, 0, 0, 0] }),
    );
    const good = await serve(file({ content }));
    const sources = [`${broken.origin}/m.gguf`, `${good.origin}/m.gguf`];
    const user = await newUser({}, { retries: 1, aliases: { a: alias({ sources, sha256 }) } });
    const { path } = await user.resolve('a');
    expect(user.told('skipped')).toHaveLength(1);
    const folder = basename(dirname(path));
    expect(await user.files()).toEqual([`${folder}/m.gguf`, `${folder}/model.json`]);
  });

  test('when none of its sources gives it, all problems are told', async () => {
    const missing = await serve(status(404));
    const forbidden = await serve(status(403));
    const sources = [`${missing.origin}/m.gguf`, `${forbidden.origin}/m.gguf`];
    const user = await newUser({}, { aliases: { example: alias({ sources }) } });
    const error = await rejection(user.resolve('example'));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect((error as ModelSourceError).source).toBe('example');
    expect(error.message).toMatch(/answered 404/);
    expect(error.message).toMatch(/answered 403: it wants credentials/);
    expect(await user.files()).toEqual([]);
  });

  test('without any source there is an error too', async () => {
    const user = await newUser({}, { aliases: { example: alias({}) } });
    expect((await rejection(user.resolve('example'))).message).toContain('it has no source');
  });
});

describe('a URL', () => {
  test('that nobody vouches for is said to be so', async () => {
    const server = await serve(routes({ '/m.gguf': file({ content }) }));
    const user = await newUser();
    const model = await user.resolve(`${server.origin}/m.gguf`);
    expect(model).toMatchObject({ sha256, bytes: content.length, verification: 'none' });
    expect(user.told('unverified')).toHaveLength(1);
    expect(model).not.toHaveProperty('alias');
  });

  test('with a hash, from the text or the options', async () => {
    const server = await serve(routes({ '/m.gguf': file({ content }) }));
    const user = await newUser();
    const pinned = { sha256, verification: 'pinned' };
    expect(await user.resolve(`${server.origin}/m.gguf#sha256=${sha256}`)).toMatchObject(pinned);
    expect(await user.resolve(`${server.origin}/m.gguf`, { sha256 })).toMatchObject({
      ...pinned,
      cached: true,
    });
    expect(user.told('unverified')).toEqual([]);
    expect(server.count()).toBe(1);
  });

  test('whose content has another hash leaves nothing behind', async () => {
    const server = await serve(file({ content }));
    const user = await newUser();
    const wanted = '0'.repeat(64);
    const error = await rejection(user.resolve(`${server.origin}/m.gguf#sha256=${wanted}`));
    expect(error).toBeInstanceOf(ModelSourceError);
    expect(error.message).toContain(sha256);
    expect(error.message).toContain(wanted);
    expect(await user.files()).toEqual([]);
    expect(server.count()).toBe(1);
  });

  test('that gives no model file under a model file’s name is refused', async () => {
    const server = await serve(file({ content: Buffer.from('<html>Please log in</html>') }));
    const user = await newUser();
    const error = await rejection(user.resolve(`${server.origin}/m.gguf`));
    expect(error.message).toContain('no GGUF file');
    expect(await user.files()).toEqual([]);
    expect(await user.resolve(`${server.origin}/m.bin`)).toMatchObject({ bytes: 26 });
  });

  test('its credentials are sent and never shown', async () => {
    const secret = 'hunter2';
    const served = file({ content });
    const server = await serve((request, response) => {
      const wanted = `Basic ${Buffer.from(`me:${secret}`).toString('base64')}`;
      if (request.headers.authorization === wanted) served(request, response);
      else response.writeHead(401).end();
    });
    const user = await newUser();
    const at = (path: string): string => `http://me:${secret}@${server.host}${path}`;
    const model = await user.resolve(at(`/m.gguf?key=${secret}`));
    expect(model.source).toBe(`${server.origin}/m.gguf?…`);
    const gone = await serve(status(404));
    const text = `http://me:${secret}@${gone.host}/m.gguf?key=${secret}`;
    const errors = [
      await rejection(user.resolve(text)),
      await rejection(user.resolve(text, { offline: true })),
      await rejection(user.resolve(`${at('/none')} + ${text}`)),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(ModelSourceError);
      expect(JSON.stringify([error.message, error])).not.toContain(secret);
      expect(String((error.cause as Error | undefined)?.message)).not.toContain(secret);
    }
    expect(JSON.stringify([user.notices, model])).not.toContain(secret);
  });
});

test('parts are joined, and only then compared with the hash', async () => {
  const parts = [content.subarray(0, 70_000), content.subarray(70_000)];
  const server = await serve(
    routes({
      '/m.gguf.part0': file({ content: parts[0]! }),
      '/m.gguf.part1': file({ content: parts[1]! }),
    }),
  );
  const user = await newUser();
  const source = [0, 1].map((part) => `${server.origin}/m.gguf.part${part}`).join(' + ');
  const model = await user.resolve(`${source}#sha256=${sha256}`);
  expect(model).toMatchObject({ bytes: content.length, sha256, verification: 'pinned' });
  expect(basename(model.path)).toBe('m.gguf');
  expect(await user.files()).toHaveLength(2);
  expect(user.progress.at(-1)).toMatchObject({ bytes: content.length, total: content.length });
  const swapped = source.split(' + ').toReversed().join(' + ');
  const error = await rejection(user.resolve(swapped));
  expect(error.message).toContain('no GGUF file');
});

test('when a later part fails, the earlier ones are kept for the next time', async () => {
  const parts = [content.subarray(0, 70_000), content.subarray(70_000)];
  const last = { content: parts[1]!, etag: '"2"' };
  let refuse = true;
  const server = await serve(
    routes({
      '/a.gguf': file({ content: parts[0]!, etag: '"1"' }),
      '/b': (request, response) => (refuse ? status(404) : file(last))(request, response),
    }),
  );
  const user = await newUser();
  const source = `${server.origin}/a.gguf + ${server.origin}/b#sha256=${sha256}`;
  expect((await rejection(user.resolve(source))).message).toContain('answered 404');
  refuse = false;
  expect(await user.resolve(source)).toMatchObject({ sha256 });
  expect(server.count('/a.gguf')).toBe(1);
});

test('a folder that cannot be made is told with advice, and no second source is tried', async () => {
  const blocked = join(await newFolder(), 'cache');
  await writeFile(blocked, 'a file');
  const server = await serve(file({ content }));
  const sources = [1, 2].map((part) => `${server.origin}/${part}.gguf`);
  const licence = { id: 'none' };
  const aliases = { example: { description: '', sources, licence } };
  const user = await newUser({}, { cacheDirectory: blocked, aliases });
  const error = await rejection(user.resolve('example'));
  expect(error).toBeInstanceOf(ModelSourceError);
  expect(error.message).toContain('a file is in its place');
  expect(error.message).toContain('CHUNKWEAVE_CACHE');
  expect(user.told('skipped')).toEqual([]);
  expect(server.count()).toBe(0);
});

test('what is in the way of the finished file is told', async () => {
  const server = await serve(file({ content }));
  const user = await newUser();
  const source = `${server.origin}/m.gguf`;
  const folder = dirname((await user.resolve(source)).path);
  const other = await newUser();
  await mkdir(join(other.cache, basename(folder), 'm.gguf', 'inside'), { recursive: true });
  expect(await rejection(other.resolve(source))).toBeInstanceOf(ModelSourceError);
});
