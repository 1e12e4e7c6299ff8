import { afterEach, expect, test } from '@jest/globals';
import {
  type ChunkRecord,
  type ChunkStore,
  CostModel,
  createWeave,
  type GetOptions,
  type Lease,
  type LeaseOptions,
  memoryStore,
  recursiveChunker,
  tieredStore,
  type WeaveOptions,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { disposeAll, documents, question } from './support.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await disposeAll();
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Leasing {
  readonly store: ChunkStore;
  readonly held: Map<string, { readonly ttlMs: number }>;
  readonly puts: string[];
  asked: number;
}

/** A store in memory that several weaves share as processes share a folder: with leases that end by themselves. */
function sharedStore(): Leasing {
  const store: ChunkStore = memoryStore();
  const shared: Leasing = { store, held: new Map(), puts: [], asked: 0 };
  const put = store.put.bind(store);
  store.put = (key, record, options) => {
    shared.puts.push(key);
    return put(key, record, options);
  };
  store.lease = async (key: string, { ttlMs }: LeaseOptions): Promise<Lease | undefined> => {
    shared.asked++;
    if (shared.held.has(key)) return undefined;
    const mine = { ttlMs };
    shared.held.set(key, mine);
    const release = async () => {
      if (shared.held.get(key) === mine) shared.held.delete(key);
    };
    setTimeout(release, ttlMs).unref();
    return { release, [Symbol.asyncDispose]: release };
  };
  return shared;
}

/** A weave as another process would have it: an engine of its own, the same store. */
async function weaveOver(store: ChunkStore, options: Partial<WeaveOptions> = {}) {
  const engine = new FakeEngine({ latency: { perRow: 0.2 } });
  const weave = await createWeave({
    engine,
    store,
    chunker: recursiveChunker({ maxTokens: 64 }),
    maxTokens: 4,
    topK: 4,
    ...options,
  });
  closing.push(async () => {
    await weave.dispose();
    await engine.dispose();
  });
  await weave.ingest(documents, { budget: { milliseconds: 0 } });
  return { engine, weave };
}

test('of several processes that miss the same passages, each is computed by one', async () => {
  const shared = sharedStore();
  const weaves = await Promise.all([1, 2, 3].map(() => weaveOver(shared.store)));
  const answers = await Promise.all(weaves.map(({ weave }) => weave.ask(question)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  for (const { weave } of weaves) await weave.dispose();
  const passages = shared.puts.filter(
    (key) => shared.puts.indexOf(key) !== shared.puts.lastIndexOf(key),
  );
  // Only the prefix, which every process needs in its own cells, is computed by each.
  expect(new Set(passages).size).toBeLessThanOrEqual(1);
  expect(new Set(shared.puts).size).toBe(5);
  expect(shared.held.size).toBe(0);
  const made = answers.map(({ sources }) => sources.filter(({ cached }) => !cached).length);
  expect(made.reduce((sum, count) => sum + count, 0)).toBe(4);
});

test('warming at once shares the work', async () => {
  const shared = sharedStore();
  const [a, b] = await Promise.all([weaveOver(shared.store), weaveOver(shared.store)]);
  const reports = await Promise.all([a.weave.warm(), b.weave.warm()]);
  expect(reports[0]!.encoded + reports[1]!.encoded).toBe(6);
  expect(reports[0]!.cached + reports[1]!.cached).toBe(6);
});

test('a lease lasts three times as long as computing should take, and some seconds', async () => {
  const shared = sharedStore();
  const { weave } = await weaveOver(shared.store);
  const seen: number[] = [];
  const lease = shared.store.lease?.bind(shared.store);
  shared.store.lease = (key, options) => {
    seen.push(options.ttlMs);
    return lease!(key, options);
  };
  await weave.ask(question);
  expect(seen).toHaveLength(4);
  for (const ttlMs of seen) {
    expect(ttlMs).toBeGreaterThan(5000);
    expect(ttlMs).toBeLessThan(15_000);
  }
});

test('who died holding leases is waited for no longer than computing takes, and a margin', async () => {
  const shared = sharedStore();
  const { weave } = await weaveOver(shared.store);
  const lease = shared.store.lease?.bind(shared.store);
  // Somebody took every lease a moment ago, and is gone.
  shared.store.lease = async () => undefined;
  const start = performance.now();
  const answer = await weave.ask(question);
  const ms = performance.now() - start;
  expect(answer.sources.every(({ cached }) => !cached)).toBe(true);
  expect(ms).toBeGreaterThan(1000);
  expect(ms).toBeLessThan(8000);
  shared.store.lease = lease!;
});

test('a holder that gives up is followed at once', async () => {
  const shared = sharedStore();
  const { weave } = await weaveOver(shared.store);
  const lease = shared.store.lease!.bind(shared.store);
  let isHeld = true;
  shared.store.lease = async (key, options) => (isHeld ? undefined : lease(key, options));
  setTimeout(() => {
    isHeld = false;
  }, 150);
  const start = performance.now();
  const answer = await weave.ask(question);
  expect(performance.now() - start).toBeLessThan(4000);
  expect(answer.sources.every(({ cached }) => !cached)).toBe(true);
  await weave.dispose();
  expect(shared.held.size).toBe(0);
});

test('a record that appears while its maker holds the lease is used', async () => {
  const shared = sharedStore();
  const { weave: other } = await weaveOver(shared.store);
  await other.ask(question);
  await other.dispose();
  const made = new Map<string, ChunkRecord>();
  for (const key of new Set(shared.puts)) {
    const record = await shared.store.get(key);
    if (record) made.set(key, record);
    await shared.store.delete(key);
  }
  const { weave, engine } = await weaveOver(shared.store);
  shared.store.lease = async () => undefined;
  setTimeout(() => {
    for (const [key, record] of made) void shared.store.put(key, record);
  }, 200);
  const answer = await weave.ask(question);
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  expect(answer.usage.fresh).toBeLessThan(answer.usage.prompt / 2);
  expect(engine.counters.layers).toBeGreaterThan(0);
});

test('leases that cannot be had hinder nobody', async () => {
  const shared = sharedStore();
  shared.store.lease = async () => {
    throw new Error('down');
  };
  const { weave } = await weaveOver(shared.store);
  const answer = await weave.ask(question);
  expect(answer.sources.every(({ cached }) => !cached)).toBe(true);
});

test('an abort while another is waited for is heard, and leaves no lease behind', async () => {
  const shared = sharedStore();
  const { weave } = await weaveOver(shared.store);
  const lease = shared.store.lease!.bind(shared.store);
  let asked = 0;
  // One lease is to be had, the others are held for good.
  shared.store.lease = async (key, options) => (asked++ === 0 ? lease(key, options) : undefined);
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 300);
  await expect(weave.ask(question, { signal: controller.signal })).rejects.toBe(reason);
  await weave.dispose();
  expect(shared.held.size).toBe(0);
});

test('records say where their text comes from', async () => {
  const store = memoryStore();
  const { weave } = await weaveOver(store);
  await weave.warm();
  const sources: unknown[] = [];
  for await (const key of store.list()) sources.push((await store.info(key))?.source);
  const texts = sources.flatMap((source) => {
    if (!source) return [];
    const { documentId, start, end } = source as { documentId: string; start: number; end: number };
    return documents.find(({ id }) => id === documentId)?.text.slice(start, end) ?? [];
  });
  expect(texts).toHaveLength(6);
  expect(texts.join('\n')).toContain('A brass compass from the old harbour office');
});

test('the store is told what computing a passage would take, and its bytes', async () => {
  const store = memoryStore();
  const worths: GetOptions['worth'][] = [];
  const get = store.get.bind(store);
  store.get = (key, options) => {
    worths.push(options?.worth);
    return get(key, options);
  };
  const { weave, engine } = await weaveOver(store);
  const { tokens, passages } = await weave.prompt(question);
  expect(tokens.length).toBeGreaterThan(0);
  await weave.ask(question);
  const told = worths.filter((worth) => worth !== undefined);
  expect(told).toHaveLength(4);
  const { layers, keyWidth, valueWidth } = engine.model.kv;
  expect(told.map(({ bytes }) => bytes)).toEqual(
    passages.map(({ start, end }) => (end - start) * layers * (keyWidth + valueWidth) * 2),
  );
  for (const { recomputeMs } of told) expect(recomputeMs).toBeGreaterThan(0);
});

test('a tier whose loads take longer than computing is left alone, by one cost model for both', async () => {
  const slow = memoryStore();
  const { weave: first } = await weaveOver(slow);
  await first.warm();
  await first.dispose();
  for (const [loadMs, isCached] of [
    [60_000, false],
    [0.01, true],
  ] as const) {
    const costs = new CostModel();
    for (let i = 1; i < 10; i++) costs.observeLoad('slow', i * 1e5, loadMs);
    const store = tieredStore([memoryStore(), { store: slow, name: 'slow' }], { costs });
    const { weave } = await weaveOver(store, { costs });
    const answer = await weave.ask(question);
    expect(answer.sources.map(({ cached }) => cached)).toEqual(answer.sources.map(() => isCached));
    expect((await store.stats()).missesBy).toEqual(isCached ? {} : { 'not-worth-it': 4 });
    expect(costs.predictCompute({ tokens: 100 })).toBeGreaterThan(0);
  }
});
