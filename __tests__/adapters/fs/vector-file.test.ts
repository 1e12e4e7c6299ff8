import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { flatIndex, restoreFlatIndex, type SavableVectorIndex } from '../../../lib/index.js';
import { seededNormals, seededRandom } from '../../../lib/testing/index.js';
import { breakCall, repair, startJournal } from '../../support/store/faulty-files.js';
import { filesIn, newFolder } from '../../support/store/folders.js';

// After the stand-in for the file system.
const { readVectorIndex, saveVectorIndex } = await import('../../../adapters/fs/index.js');

afterEach(repair);

const embedder = { fingerprint: 'x', dimensions: 64 };

async function indexOf(count: number, seed = 1): Promise<SavableVectorIndex> {
  const index = flatIndex({ embedder });
  const random = seededRandom(seed);
  const vector = () => Float32Array.from(seededNormals(random, embedder.dimensions, 1));
  await index.add(Array.from({ length: count }, (_, i) => ({ id: `e${i}`, vector: vector() })));
  return index;
}

const load = (path: string) => restoreFlatIndex(readVectorIndex(path), { embedder });
const query = new Float32Array(64).fill(1);

test('an index is saved and read, in folders that were not there', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a', 'b', 'index.cwvec');
  const index = await indexOf(5000);
  await saveVectorIndex(index, path);
  expect(await filesIn(folder)).toEqual([join('a', 'b', 'index.cwvec')]);
  const again = await load(path);
  expect(await again.query(query, { k: 20 })).toEqual(await index.query(query, { k: 20 }));
});

test('bytes and name are brought to the disk before the call resolves', async () => {
  const path = join(await newFolder(), 'index');
  const index = await indexOf(10);
  const journal = startJournal();
  await saveVectorIndex(index, path);
  const calls = journal.map((line) => line.split(' ')[0]);
  expect(calls.indexOf('sync')).toBeGreaterThan(calls.lastIndexOf('write'));
  expect(calls.indexOf('rename')).toBeGreaterThan(calls.indexOf('sync'));
  expect(calls.lastIndexOf('sync')).toBeGreaterThan(calls.indexOf('rename'));
});

test.each([
  { call: 'open', code: 'EACCES' },
  { call: 'write', code: 'ENOSPC' },
  { call: 'write', code: 'EIO', after: 3 },
  { call: 'sync', code: 'EIO' },
  { call: 'close', code: 'EDQUOT' },
  { call: 'rename', code: 'EPERM' },
] as const)(
  'a save that fails in $call ($code) leaves the old index, and nothing else',
  async (fault) => {
    const folder = await newFolder();
    const path = join(folder, 'index');
    await saveVectorIndex(await indexOf(100), path);
    const before = await readFile(path);
    breakCall({ ...fault, path: /\.tmp-/ });
    const saving = saveVectorIndex(await indexOf(3000, 2), path);
    await expect(saving).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'failed' });
    repair();
    expect(await filesIn(folder)).toEqual(['index']);
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
    expect(await (await load(path)).size()).toBe(100);
  },
);

test('an aborted save leaves the old index', async () => {
  const folder = await newFolder();
  const path = join(folder, 'index');
  await saveVectorIndex(await indexOf(100), path);
  const reason = new Error('enough');
  const index = await indexOf(3000, 2);
  const controller = new AbortController();
  const pieces = {
    ...index,
    async *toBytes() {
      for await (const piece of index.toBytes({ signal: controller.signal })) {
        yield piece;
        controller.abort(reason);
      }
    },
  } as SavableVectorIndex;
  await expect(saveVectorIndex(pieces, path)).rejects.toBe(reason);
  expect(await filesIn(folder)).toEqual(['index']);
  expect(await (await load(path)).size()).toBe(100);
  expect(await index.remove(['e0'])).toBe(1);
});

test('a file that is not there, no file, cut short or something else is refused', async () => {
  const folder = await newFolder();
  const path = join(folder, 'index');
  await expect(load(path)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  await expect(load(folder)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  await writeFile(path, '');
  await expect(load(path)).rejects.toMatchObject({ code: 'INDEX_FILE' });
  await writeFile(path, '{"not":"an index"}'.repeat(1000));
  await expect(load(path)).rejects.toMatchObject({ code: 'INDEX_FILE' });
  await saveVectorIndex(await indexOf(1000), path);
  await truncate(path, 100_000);
  await expect(load(path)).rejects.toMatchObject({ code: 'INDEX_FILE' });
  await saveVectorIndex(await indexOf(1000), path);
  breakCall({ call: 'read', code: 'EIO', path: /index$/, after: 1 });
  await expect(load(path)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
});

test('a folder that cannot be made is a typed error', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, 'file'), '');
  await symlink('nowhere/at/all', join(folder, 'link'));
  for (const name of ['file', 'link']) {
    const saving = saveVectorIndex(await indexOf(1), join(folder, name, 'index'));
    await expect(saving).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  }
});

test('a process that is killed while it saves leaves a whole index', async () => {
  const path = join(await newFolder(), 'index');
  // Each save holds another number of entries, all of them of the same vector.
  const script = `
    import { flatIndex } from 'chunkweave';
    import { saveVectorIndex } from 'chunkweave/fs';
    const index = flatIndex({ embedder: { fingerprint: 'x', dimensions: 64 } });
    for (let round = 0; ; round++) {
      await index.upsert(Array.from({ length: 300 }, (_, i) => ({
        id: \`e\${(round % 20) * 300 + i}\`, vector: new Float32Array(64).fill(round + 1), metadata: { round } })));
      await saveVectorIndex(index, ${JSON.stringify(path)}, { durable: false });
      console.log('saved');
    }`;
  const random = seededRandom(8);
  for (let kill = 0; kill < 3; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 60 * random()));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const index = await load(path);
    const size = await index.size();
    expect(size % 300).toBe(0);
    expect(size).toBeGreaterThan(0);
  }
});
