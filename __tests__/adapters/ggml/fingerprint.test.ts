import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { modelFingerprint } from '../../../adapters/ggml/fingerprint.js';
import { editValue } from '../../support/ggml/edited-model.js';
import { scratch, tinyFile } from '../../support/native.js';

let model: string;
let file: Buffer;
let folders = 0;

beforeAll(async () => {
  const rope = { base: 500000, factors: true, scaling: 'linear', factor: 4 } as const;
  model = await tinyFile({
    architecture: 'llama',
    layers: 2,
    chatTemplate: '{{ messages }}',
    rope,
  });
  file = await readFile(model);
});

/** A folder of its own, with a copy of the model and no hashes. */
async function fresh(bytes = file): Promise<{ path: string; folder: string; cacheFile: string }> {
  const folder = join(scratch, `fingerprint-${folders++}`);
  await mkdir(folder);
  const path = join(folder, 'model.gguf');
  await writeFile(path, bytes);
  return { path, folder, cacheFile: join(folder, 'cache', 'hashes.json') };
}

const cached = async (cacheFile: string): Promise<Record<string, string>> =>
  JSON.parse(await readFile(cacheFile, 'utf8')) as Record<string, string>;

/** Puts another hash into the cache: what is read from there shows. */
async function forge(cacheFile: string, hash: string): Promise<void> {
  const all = Object.keys(await cached(cacheFile)).map((key) => [key, hash]);
  await writeFile(cacheFile, JSON.stringify(Object.fromEntries(all)));
}

describe('the fingerprint', () => {
  test('is that of the content, wherever the file lies', async () => {
    const one = await fresh();
    const other = await fresh();
    const fingerprint = await modelFingerprint(one.path, one);
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(await modelFingerprint(other.path, other)).toBe(fingerprint);
  });

  test('changes with weights, tokenizer, template and RoPE', async () => {
    const weights = Buffer.from(file);
    weights[weights.length - 40] = (weights[weights.length - 40] as number) ^ 1;
    const tokenizer = Buffer.from(file);
    const at = tokenizer.indexOf('Ġt', tokenizer.indexOf('tokenizer.ggml.tokens'));
    expect(at).toBeGreaterThan(0);
    tokenizer.write('Ġz', at);
    const template = Buffer.from(file);
    template.write('{{ massages }}', template.indexOf('{{ messages }}'));
    const edits = {
      nothing: file,
      weights,
      tokenizer,
      template,
      base: editValue(file, 'llama.rope.freq_base', 10000, true),
      scaling: editValue(file, 'llama.rope.scaling.factor', 8, true),
    };
    const found = new Set<string>();
    for (const bytes of Object.values(edits)) {
      const copy = await fresh(bytes);
      found.add(await modelFingerprint(copy.path, copy));
    }
    expect(found.size).toBe(Object.keys(edits).length);
  });
});

describe('the hash of a file', () => {
  test('is remembered by path, size and times', async () => {
    const { path, cacheFile } = await fresh();
    const fingerprint = await modelFingerprint(path, { cacheFile });
    const [[key, hash] = []] = Object.entries(await cached(cacheFile));
    const { size, mtimeMs } = await stat(path);
    expect(key).toContain(`${path}\n${size}\n${mtimeMs}`);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    await forge(cacheFile, '0'.repeat(64));
    const forged = await modelFingerprint(path, { cacheFile });
    expect(forged).not.toBe(fingerprint);
    expect(await modelFingerprint(path, { cacheFile })).toBe(forged);
  });

  test.each<[string, (path: string) => Promise<void>]>([
    ['its time', (path) => utimes(path, new Date(), new Date(Date.now() + 5000))],
    ['its size', (path) => writeFile(path, Buffer.concat([file, Buffer.alloc(32)]))],
    [
      'its content, and its time set back',
      async (path) => {
        const { atime, mtime } = await stat(path);
        const other = Buffer.from(file);
        other[other.length - 40] = (other[other.length - 40] as number) ^ 1;
        await writeFile(path, other);
        await utimes(path, atime, mtime);
      },
    ],
    [
      'a file that another one of the same size and time took the place of',
      async (path) => {
        const { atime, mtime } = await stat(path);
        await writeFile(`${path}.new`, file);
        await utimes(`${path}.new`, atime, mtime);
        await rename(`${path}.new`, path);
      },
    ],
  ])('is computed again after a change of %s', async (_what, change) => {
    const { path, cacheFile } = await fresh();
    await modelFingerprint(path, { cacheFile });
    await forge(cacheFile, '0'.repeat(64));
    // Times of files may tell no less than some milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 30));
    await change(path);
    const bytes = await readFile(path);
    const same = await fresh(bytes);
    expect(await modelFingerprint(path, { cacheFile })).toBe(
      await modelFingerprint(same.path, same),
    );
  });

  test('of several files that are loaded at once is remembered for each', async () => {
    const { folder, cacheFile } = await fresh();
    const paths = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const path = join(folder, `${i}.gguf`);
        await writeFile(path, `model ${i}`);
        return path;
      }),
    );
    const found = await Promise.all(paths.map((path) => modelFingerprint(path, { cacheFile })));
    expect(new Set(found).size).toBe(paths.length);
    expect(Object.keys(await cached(cacheFile))).toHaveLength(paths.length);
    expect(await readdir(join(cacheFile, '..'))).toEqual(['hashes.json']);
  });

  test('of one file that is loaded twice at once is the same', async () => {
    const { path, cacheFile } = await fresh();
    const [a, b] = await Promise.all([
      modelFingerprint(path, { cacheFile }),
      modelFingerprint(path, { cacheFile }),
    ]);
    expect(b).toBe(a);
    expect(await readdir(join(cacheFile, '..'))).toEqual(['hashes.json']);
  });

  test('needs no cache: a broken one or none that can be written is passed over', async () => {
    const { path, folder, cacheFile } = await fresh();
    const fingerprint = await modelFingerprint(path, { cacheFile });
    const nonsense = JSON.stringify(await cached(cacheFile)).replace(/[0-9a-f]{64}/, 'a hash');
    for (const text of ['', '[]', 'null', '{"a": 1', '"text"', nonsense]) {
      await writeFile(cacheFile, text);
      expect(await modelFingerprint(path, { cacheFile })).toBe(fingerprint);
    }
    const taken = join(folder, 'taken');
    await writeFile(taken, 'a file where a folder should be');
    expect(await modelFingerprint(path, { cacheFile: join(taken, 'hashes.json') })).toBe(
      fingerprint,
    );
  });

  test('can be aborted', async () => {
    const { path, cacheFile } = await fresh();
    const controller = new AbortController();
    controller.abort(new Error('aborted by the test'));
    await expect(modelFingerprint(path, { cacheFile, signal: controller.signal })).rejects.toThrow(
      'aborted by the test',
    );
    await expect(readFile(cacheFile)).rejects.toThrow(/ENOENT/);
  });
});
