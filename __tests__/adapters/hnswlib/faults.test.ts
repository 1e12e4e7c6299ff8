import { afterEach, expect, jest, test } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import {
  hnswIndex,
  type HnswIndexOptions,
  type HnswNotice,
  restoreHnswIndex,
} from '../../../adapters/hnswlib/index.js';
import {
  flatIndex,
  restoreFlatIndex,
  type SavableVectorIndex,
  type VectorEntry,
} from '../../../lib/index.js';
import { seededNormals, seededRandom } from '../../../lib/testing/index.js';
import { fakeHnswlib, type Faults } from '../../support/vectors/fake-hnswlib.js';
import { hnswTest, loadRealHnswlib } from '../../support/vectors/hnswlib.js';

const embedder = { fingerprint: 'x', dimensions: 8 };
const random = seededRandom(1);
const vector = () => Float32Array.from(seededNormals(random, 8, 1));
const entries: VectorEntry[] = Array.from({ length: 200 }, (_, i) => ({
  id: `e${i}`,
  vector: vector(),
}));
const query = vector();

afterEach(() => {
  jest.restoreAllMocks();
});

function setUp(more: Partial<HnswIndexOptions> = {}) {
  const faults: Faults = {};
  const notices: HnswNotice[] = [];
  const options: HnswIndexOptions = {
    embedder,
    exactUpTo: 0,
    load: async () => fakeHnswlib(faults),
    onNotice: (notice) => notices.push(notice),
    ...more,
  };
  return { faults, notices, options };
}

const loadNothing = async () => {
  throw new Error('Cannot find package');
};

/** Fails the nth call of this name, counted from 1. */
function failOn(faults: Faults, name: string, nth = 1): void {
  let calls = 0;
  faults.before = (call) => {
    if (call === name && ++calls === nth) throw new Error('std::bad_alloc');
  };
}

async function bytesOf(index: SavableVectorIndex): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of index.toBytes()) pieces.push(piece);
  return Buffer.concat(pieces);
}

const leftBehind = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('chunkweave-graph-'));

test('what the native part refuses is a typed error, and what was added before stays', async () => {
  for (const call of ['addPoint', 'resizeIndex']) {
    const { faults, options } = setUp({ capacity: 50 });
    const index = await hnswIndex(options);
    failOn(faults, call, call === 'addPoint' ? 51 : 1);
    const adding = index.add(entries);
    await expect(adding).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'failed' });
    await expect(adding).rejects.toThrow('std::bad_alloc');
    expect(await index.size()).toBe(50);
    delete faults.before;
    await index.add(entries.slice(50));
    const expected = flatIndex({ embedder });
    await expected.add(entries);
    expect(await index.query(query, { k: 20 })).toEqual(await expected.query(query, { k: 20 }));
  }
});

test('an upsert that the native part refuses leaves the entry as it was', async () => {
  const { faults, options } = setUp();
  const index = await hnswIndex(options);
  await index.add(entries);
  const before = await index.query(query, { k: 5 });
  failOn(faults, 'addPoint');
  const upsert = index.upsert([{ id: before[0]?.id as string, vector: vector() }]);
  await expect(upsert).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  expect(await index.query(query, { k: 5 })).toEqual(before);
});

test('a search, a start and a clearing that fail are typed errors', async () => {
  const { faults, options } = setUp({ efSearch: 10 });
  const index = await hnswIndex(options);
  await index.add(entries);
  for (const call of ['searchKnn', 'setEf']) {
    failOn(faults, call);
    const search = index.query(query, { k: 20 });
    await expect(search).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
    expect(await index.query(query, { k: 20 })).toHaveLength(20);
    expect(await index.query(query, { k: 5 })).toHaveLength(5);
  }
  failOn(faults, 'initIndex');
  await expect(index.clear()).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  expect(await index.size()).toBe(200);
  failOn(faults, 'initIndex');
  await expect(hnswIndex(options)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
});

test('a graph that was not written whole is found out when it is saved', async () => {
  const { faults, options } = setUp();
  const index = await hnswIndex(options);
  await index.add(entries);
  const before = await leftBehind();
  for (const file of [new Uint8Array(0), new Uint8Array(50), new Uint8Array(5000)]) {
    faults.file = file;
    await expect(bytesOf(index)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  }
  delete faults.file;
  failOn(faults, 'writeIndex');
  await expect(bytesOf(index)).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  delete faults.before;
  expect((await bytesOf(index)).length).toBeGreaterThan(0);
  expect(await leftBehind()).toEqual(before);
});

test('a saved graph that cannot be used is made anew, with a notice', async () => {
  const { faults, notices, options } = setUp();
  const index = await hnswIndex(options);
  await index.add(entries);
  const bytes = await bytesOf(index);
  const good = await restoreHnswIndex(bytes, options);
  expect(notices).toEqual([]);
  expect(await good.query(query, { k: 9 })).toEqual(await index.query(query, { k: 9 }));
  failOn(faults, 'readIndexSync');
  const again = await restoreHnswIndex(bytes, options);
  expect(notices).toEqual([{ type: 'rebuilt', problem: expect.stringContaining('bad_alloc') }]);
  expect(await again.query(query, { k: 9 })).toEqual(await index.query(query, { k: 9 }));
});

test('indexes of one kind are read by the other', async () => {
  const { notices, options } = setUp();
  const graph = await hnswIndex(options);
  const flat = flatIndex({ embedder });
  await graph.add(entries);
  await flat.add(entries);
  const expected = await flat.query(query, { k: 20 });
  const fromGraph = await restoreFlatIndex(graph.toBytes(), { embedder });
  expect(await fromGraph.query(query, { k: 20 })).toEqual(expected);
  const fromFlat = await restoreHnswIndex(flat.toBytes(), options);
  expect(await fromFlat.query(query, { k: 20 })).toEqual(expected);
  expect(notices.map(({ type }) => type)).toEqual(['rebuilt']);
  expect(await fromFlat.remove(['e0'])).toBe(1);
});

test('without the package every vector is looked at, with one notice; or it throws', async () => {
  const { notices, options } = setUp({ load: loadNothing });
  const index = await hnswIndex(options);
  expect(index.isNative).toBe(false);
  await index.add(entries);
  expect(await index.query(query, { k: 3 })).toHaveLength(3);
  expect(notices).toEqual([{ type: 'exact', problem: expect.stringContaining('npm install') }]);
  const strict = { ...options, whenMissing: 'throw' } as const;
  await expect(hnswIndex(strict)).rejects.toMatchObject({ code: 'MISSING_PACKAGE' });
  const broken = { ...strict, load: async () => ({ default: {} }) };
  await expect(hnswIndex(broken)).rejects.toMatchObject({ code: 'MISSING_PACKAGE' });
});

test('where nobody listens, the process is warned once', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  await hnswIndex({ embedder, load: loadNothing });
  await hnswIndex({ embedder, load: loadNothing });
  expect(warn).toHaveBeenCalledTimes(1);
});

test('options that are none are refused', async () => {
  for (const wrong of [
    { connections: 1 },
    { connections: 1.5 },
    { efConstruction: 0 },
    { efSearch: Number.NaN },
    { capacity: 0 },
    { capacity: 2 ** 40 },
    { exactUpTo: -1 },
    { rebuildAbove: 0 },
    { rebuildAbove: Number.NaN },
    { whenMissing: 'hope' },
    { metric: 'taxi' },
    { embedder: { fingerprint: '', dimensions: 8 } },
    { embedder: { fingerprint: 'x', dimensions: 0 } },
  ]) {
    const options = { ...setUp().options, ...wrong } as HnswIndexOptions;
    await expect(hnswIndex(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});

test('an abort during a rebuild leaves the graph that was there', async () => {
  const { faults, options } = setUp();
  const index = await hnswIndex(options);
  await index.add(entries);
  const before = await index.query(query, { k: 9 });
  let now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => (now += 100));
  const controller = new AbortController();
  const reason = new Error('enough');
  let added = 0;
  faults.before = (call) => {
    if (call === 'addPoint' && ++added === 20) controller.abort(reason);
  };
  await expect(index.rebuild({ signal: controller.signal })).rejects.toBe(reason);
  jest.restoreAllMocks();
  expect(added).toBe(20);
  expect(await index.query(query, { k: 9 })).toEqual(before);
});

hnswTest('the real graph survives growth, churn and a damaged file', async () => {
  const { notices, options } = setUp({ load: loadRealHnswlib, capacity: 2 });
  const index = await hnswIndex(options);
  expect(index.isNative).toBe(true);
  const held = new Map<string, VectorEntry>();
  for (let round = 0; round < 6; round++) {
    const fresh = Array.from({ length: 150 }, (_, i) => ({
      id: `r${(round * 70 + i) % 400}`,
      vector: vector(),
      metadata: { round, even: i % 2 === 0 },
    }));
    await index.upsert(fresh);
    for (const entry of fresh) held.set(entry.id, entry);
    const gone = [...held.keys()].filter((_, i) => i % 3 === 0);
    expect(await index.remove(gone)).toBe(gone.length);
    for (const id of gone) held.delete(id);
  }
  const exact = flatIndex({ embedder });
  await exact.add([...held.values()]);
  const again = await restoreHnswIndex(await bytesOf(index), options);
  expect(notices).toEqual([]);
  let hits = 0;
  for (let i = 0; i < 50; i++) {
    const one = vector();
    const expected = await exact.query(one, { k: 10 });
    const ids = new Set(expected.map(({ id }) => id));
    for (const side of [index, again]) {
      hits += (await side.query(one, { k: 10 })).filter(({ id }) => ids.has(id)).length;
    }
    const filter = { op: 'equals', field: 'even', value: true } as const;
    expect(await again.query(one, { k: 5, filter })).toEqual(
      await exact.query(one, { k: 5, filter }),
    );
  }
  expect(hits / 1000).toBeGreaterThan(0.97);
  await again.add([{ id: 'new', vector: query }]);
  expect((await again.query(query, { k: 1 }))[0]?.id).toBe('new');
});
