import { afterEach, expect, test } from '@jest/globals';
import {
  type ChunkStore,
  type IngestProgress,
  memoryStore,
  StoreError,
} from '../../../lib/index.js';
import {
  book,
  closeAll,
  direct,
  holds,
  isVariant,
  nothing,
  paragraph,
  plenty,
  recordsOf,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 20);

test('an estimate tells what is computed and what is kept, progress how much of it is done', async () => {
  const { weave } = await warmWeave();
  const progress: IngestProgress[] = [];
  const { kv } = await weave.ingest([guide], {
    ...plenty,
    onProgress: (event) => progress.push(event),
  });
  const { computed, chunks, segments } = await direct(guide);
  const bytes = chunks.reduce((sum, { data }) => sum + data.byteLength, 0);
  const whole = { chunks: 20, tokens: computed, bytes };
  const estimates = progress.filter((event) => event.phase === 'estimate');
  expect(estimates).toHaveLength(1);
  expect(estimates[0]).toMatchObject({ planned: whole, all: whole });
  expect(estimates[0]!.planned.milliseconds).toBeGreaterThan(0);
  const encoded = progress.filter((event) => event.phase === 'encode');
  expect(encoded).toHaveLength(segments);
  expect(encoded.at(-1)).toMatchObject(whole);
  expect(kv).toMatchObject({ tokens: computed, bytes });
});

test('what is in the store is not computed again, and of a segment only what is missing is kept anew', async () => {
  const store = memoryStore();
  const { weave, engine } = await warmWeave({ store });
  await weave.ingest([guide], plenty);
  const { rowLayers } = engine.counters;
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 0, cached: 20, tokens: 0 });
  expect(engine.counters.rowLayers).toBe(rowLayers);
  const { chunks } = await direct(guide);
  const before = (await store.info(chunks[6]!.key))!.created;
  await store.delete(chunks[5]!.key);
  const report = await weave.warm(plenty);
  expect(report).toMatchObject({ encoded: 1, cached: 19, left: 0 });
  expect(report.tokens).toBeGreaterThan(100);
  expect(report.bytes).toBe(chunks[5]!.data.byteLength);
  expect(holds(await recordsOf(store), chunks)).toEqual([]);
  expect((await store.info(chunks[6]!.key))!.created).toBe(before);
});

test('the budget of bytes holds', async () => {
  const { chunks } = await direct(guide);
  const bytes = chunks.reduce((sum, { data }) => sum + data.byteLength, 0);
  for (const share of [0.02, 0.6]) {
    const { weave } = await warmWeave();
    const { kv } = await weave.ingest([guide], {
      budget: { ...plenty.budget, bytes: bytes * share },
    });
    expect(kv.bytes).toBeLessThanOrEqual(bytes * share);
    expect(kv.encoded + kv.left).toBe(20);
    expect(kv.left).toBeGreaterThan(0);
    expect(kv.encoded > 0).toBe(share > 0.5);
  }
});

test('a segment is begun only where it is expected to end in time; a shorter one may still fit', async () => {
  // Three milliseconds a token.
  const { weave, engine } = await warmWeave({ fake: { latency: { perRow: 1 } } });
  await weave.ingest([book('guide.md', 8), book('notes.md', 2)], nothing);
  // Computes the prefix, and finds out how fast it is.
  expect(await weave.warm({ budget: { milliseconds: 1 } })).toMatchObject({ encoded: 0, left: 10 });
  const start = performance.now();
  const report = await weave.warm({ budget: { milliseconds: 400 } });
  const ms = performance.now() - start;
  // Two pages fit, a segment of at least 150 tokens does not.
  expect(report).toMatchObject({ encoded: 2, cached: 0, left: 8 });
  expect(ms).toBeLessThan(800);
  const rows = engine.counters.rowLayers;
  expect((await weave.warm({ budget: { milliseconds: 30 } })).encoded).toBe(0);
  expect(engine.counters.rowLayers).toBe(rows);
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 8, cached: 2, left: 0 });
});

test('an abort in the middle keeps the segments that were done, and gives everything back', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store, fake: { latency: { perRow: 0.02 } } });
  await weave.ingest([guide], nothing);
  const controller = new AbortController();
  const reason = new Error('enough');
  let done = 0;
  const running = weave.warm({
    ...plenty,
    signal: controller.signal,
    onProgress: (event) => {
      if (event.phase !== 'encode') return;
      done = event.chunks;
      // In the midst of the next one.
      setTimeout(() => controller.abort(reason), 8);
    },
  });
  await expect(running).rejects.toBe(reason);
  const { cells: free } = await weave.stats();
  expect(free.free).toBe(free.total);
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(20);
  const { encoded, cached } = await weave.warm(plenty);
  expect(cached).toBe(done);
  expect(encoded + cached).toBe(20);
  expect(holds(await recordsOf(store), (await direct(guide)).chunks)).toEqual([]);
});

test('a compute that fails fails that warming alone', async () => {
  const store = memoryStore();
  const { weave, engine } = await warmWeave({ store });
  await weave.ingest([guide], nothing);
  await weave.ask(paragraph('guide.md', 3));
  const failure = new Error('the device is gone');
  engine.failNext(failure, 4);
  await expect(weave.warm(plenty)).rejects.toBe(failure);
  expect(await weave.warm(plenty)).toMatchObject({ left: 0 });
  expect(holds(await recordsOf(store), (await direct(guide)).chunks)).toEqual([]);
});

const failing: [keyof ChunkStore & ('put' | 'has' | 'get'), number][] = [
  ['put', 0],
  ['has', 20],
  ['get', 20],
];

test.each(failing)('a store whose %s fails hinders no answer', async (method, variants) => {
  const store = memoryStore();
  const broken = Object.assign(Object.create(store) as ChunkStore, {
    [method]: async () => {
      throw new StoreError('down');
    },
  });
  for (const name of ['put', 'has', 'get', 'stats', 'info', 'list', 'delete'] as const) {
    if (name === method) continue;
    Object.assign(broken, { [name]: (store[name] as () => unknown).bind(store) });
  }
  const { weave } = await warmWeave({ store: broken });
  const { kv } = await weave.ingest([guide], plenty);
  expect(kv).toMatchObject({ encoded: 20, left: 0 });
  // The prefix as well.
  expect(kv.refused > 0).toBe(method === 'put');
  expect([...(await recordsOf(store)).keys()].length).toBe(variants && variants + 1);
  const answer = await weave.ask(paragraph('guide.md', 3));
  expect(answer.sources).toHaveLength(3);
  expect(answer.usage.prompt).toBeGreaterThan(0);
  expect([...(await recordsOf(store)).keys()].filter(isVariant).length).toBe(
    variants && variants - 1,
  );
});

test('callers who want the same segments at once compute them once', async () => {
  const { weave, engine } = await warmWeave();
  await weave.ingest([guide], nothing);
  const [a, b] = await Promise.all([weave.warm(plenty), weave.warm(plenty)]);
  expect(a.encoded + b.encoded).toBe(20);
  expect(a.encoded + a.cached).toBe(20);
  expect(b.encoded + b.cached).toBe(20);
  const { computed } = await direct(guide);
  const prefix = (await weave.prompt(paragraph('guide.md', 3))).prefix.end;
  expect(engine.counters.rowLayers / engine.model.layers).toBe(computed + prefix);
});

test('questions are answered while documents are warmed', async () => {
  const { weave } = await warmWeave({ fake: { latency: { perRow: 0.05 } } });
  await weave.ingest([guide], nothing);
  const warming = weave.warm(plenty);
  const answers = await Promise.all(
    [2, 7, 12].map((page) => weave.ask(paragraph('guide.md', page), { topK: 2 })),
  );
  for (const { text, usage } of answers) {
    expect(text.length).toBeGreaterThan(0);
    expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
  }
  const { encoded, cached, left } = await warming;
  // A question may have needed the first page before its segment was computed.
  expect(encoded + cached).toBe(20);
  expect(left).toBe(0);
});
