import { afterEach, expect, test } from '@jest/globals';
import {
  bm25Retriever,
  type Chunk,
  type Chunker,
  type ChunkingNotice,
  type ChunkRecord,
  chunksAt,
  contextPolicy,
  createWeave,
  type Document,
  type Embedder,
  type EncodedPassage,
  fusedRetriever,
  memoryStore,
  restoreBm25Retriever,
  type Retriever,
  singlePassChunker,
  type SinglePassMode,
  tokenizeDocument,
  unpackStatistics,
} from '../../../lib/index.js';
import { layerKeys, layerValues } from '../../../lib/engine/chunk-kv.js';
import { createPromptLayout } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import {
  book,
  closeAll,
  edited,
  isVariant,
  paragraph,
  plenty,
  recordsOf,
} from './warmup-support.js';
import { disposeAll, testWeave } from './support.js';

afterEach(closeAll);
afterEach(disposeAll);

const fake = { layers: 2, width: 8, headDim: 4 };
const singlePass: SinglePassMode = {
  maxTokens: 64,
  targetTokens: 40,
  segments: { maxTokens: 160, overlap: 32 },
};
const guide = book('guide.md', 16);

async function passWeave(options: Parameters<typeof testWeave>[0] = {}) {
  const given = 'retriever' in options ? options.retriever : bm25Retriever();
  const retriever = given as Retriever;
  const store = options.store ?? memoryStore();
  // The chunker of the support would be in the way.
  const made = await testWeave({
    cells: 400,
    topK: 3,
    maxTokens: 4,
    singlePass,
    ...options,
    fake: { ...fake, ...options.fake },
    retriever,
    store,
    ...({ chunker: undefined } as object),
  });
  return { ...made, retriever, store };
}

const chunksOf = (retriever: Retriever): Chunk[] =>
  [...retriever.chunks!()].toSorted((a, b) => a.start - b.start);

test('passages and their KV come from one pass, and nothing is encoded twice', async () => {
  const { weave, engine, retriever, store } = await passWeave();
  const report = await weave.ingest([guide], plenty);
  const rows = engine.counters.rowLayers / engine.model.layers;
  const { layout } = await layoutOf();
  const separator = layout.passage({ tokens: new Int32Array() }).length;
  const { ids } = (await tokenizeDocument(guide, engine.tokenizer)).tokens;
  expect(report.kv).toMatchObject({ encoded: report.chunks, cached: 0, left: 0 });
  // Prefix, text, overlaps and separators.
  const segments = Math.ceil(ids.length / 80) + 1;
  const most = layout.prefix.length + ids.length + segments * 32 + report.chunks * separator;
  expect(rows).toBeLessThanOrEqual(most);
  expect(rows).toBeGreaterThan(ids.length);

  const passages = chunksOf(retriever);
  const records = [...(await recordsOf(store)).values()];
  for (const chunk of passages) {
    const tokens = layout.passage(chunk).join();
    const own = records.filter(({ kv }) => kv.tokens.join() === tokens);
    expect(own).toHaveLength(1);
    expect(own[0]!.source).toEqual({ documentId: 'guide.md', start: chunk.start, end: chunk.end });
  }
  const before = engine.counters.rowLayers;
  const answer = await weave.ask(paragraph('guide.md', 9));
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  expect(answer.sources.map(({ encodedAfter }) => encodedAfter)).toContain('document');
  expect(engine.counters.rowLayers).toBeGreaterThan(before);
});

async function layoutOf() {
  const engine = new FakeEngine(fake);
  return { engine, layout: await createPromptLayout(engine) };
}

test('the KV is what the chunker gives, and ends with the separator', async () => {
  const { weave, store } = await passWeave();
  await weave.ingest([guide], plenty);
  const { engine, layout } = await layoutOf();
  const encoded: EncodedPassage[] = [];
  const chunker = singlePassChunker({
    ...singlePass,
    engine,
    prefix: layout.prefix,
    onEncoded: (passage) => void encoded.push(passage),
  });
  await chunker.chunk(await tokenizeDocument(guide, engine.tokenizer));
  const records = [...(await recordsOf(store)).values()];
  for (const { kv, saw, sawTokens } of encoded) {
    expect(sawTokens).toHaveLength(saw.end - saw.start);
    const count = kv!.tokens.length;
    const own = records.find(
      ({ kv: { tokens } }) => tokens.slice(0, count).join() === kv!.tokens.join(),
    );
    expect(own?.context?.chunks.length ?? 0).toBe(saw.end - saw.start);
    for (let layer = 0; layer < kv!.layers.to; layer++) {
      for (const part of [layerKeys, layerValues]) {
        const wanted = part(kv!, layer);
        expect(Buffer.compare(part(own!.kv, layer).subarray(0, wanted.length), wanted)).toBe(0);
      }
    }
  }
});

/** Data of what a document's passages are answered from, by key. */
async function variants(records: ReadonlyMap<string, ChunkRecord>): Promise<Map<string, string>> {
  return new Map(
    [...records].map(([key, { kv }]) => [key, Buffer.from(kv.data).toString('base64')]),
  );
}

/** As a store keeps it: half precision. */
const isClose = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) <= 1e-4 + b[i]! / 500);

test('attention statistics are those that warming by document keeps, where the KV is the same', async () => {
  // What is between paragraphs is what is between passages in prompts, and everything is one segment.
  const prompt = { separator: '\n\n\n\n' };
  const pages = Array.from(
    { length: 12 },
    (_, i) => `Page ${i} tells of ${'abcdefghijkl'[i]}${i}!`,
  );
  const document = { id: 'd', text: pages.join(prompt.separator) };
  const one = { maxTokens: 40, targetTokens: 30, segments: { maxTokens: 500, overlap: 32 } };
  const options = { prompt, statistics: true, cells: 900 };
  const passed = await passWeave({ ...options, singlePass: one });
  await passed.weave.ingest([document], plenty);
  const borders = chunksOf(passed.retriever).flatMap(({ start, end }) => [start, end]);
  expect(borders.length).toBeGreaterThan(6);
  const store = memoryStore();
  const chunker: Chunker = {
    name: 'the same',
    chunk: (tokenized, chunkOptions) => chunksAt(tokenized, borders.slice(0, -1), chunkOptions),
  };
  const { weave } = await testWeave({ ...options, fake, store, chunker, warmup: 'document' });
  await weave.ingest([document], plenty);
  const [ours, theirs] = [await recordsOf(passed.store), await recordsOf(store)];
  expect([...ours.keys()].toSorted()).toEqual([...theirs.keys()].toSorted());
  let compared = 0;
  for (const [key, { kv, details, context, source }] of ours) {
    if (!source) continue;
    const other = theirs.get(key)!;
    expect(Buffer.compare(kv.data, other.kv.data)).toBe(0);
    expect(context).toEqual(other.context);
    const [mine, wanted] = [unpackStatistics(details)!, unpackStatistics(other.details)!];
    expect(mine.tokens).toBe(kv.tokens.length);
    expect(mine.inter.map(({ chunk, tokens }) => [chunk, tokens])).toEqual(
      wanted.inter.map(({ chunk, tokens }) => [chunk, tokens]),
    );
    expect(mine.cci).toBeCloseTo(wanted.cci, 4);
    expect(isClose(mine.interByToken, wanted.interByToken)).toBe(true);
    expect(isClose(mine.byLayer!.inter, wanted.byLayer!.inter)).toBe(true);
    expect(isClose(mine.byLayer!.intra, wanted.byLayer!.intra)).toBe(true);
    compared++;
  }
  expect(2 * compared).toBe(borders.length);
});

test('a policy finds statistics of a pass, each mass that on a passage which the KV saw', async () => {
  const { weave, store } = await passWeave({
    statistics: true,
    policy: contextPolicy({ ratio: 0.2 }),
  });
  await weave.ingest([guide], plenty);
  const { notes, plan } = await weave.ask(paragraph('guide.md', 9));
  expect(notes.filter((note) => note.includes('without attention statistics'))).toEqual([]);
  expect(plan!.passages.length).toBeGreaterThan(0);
  let most = 0;
  for (const { kv, context, details, source } of (await recordsOf(store)).values()) {
    if (!source) continue;
    const statistics = unpackStatistics(details)!;
    expect(statistics.tokens).toBe(kv.tokens.length);
    expect(statistics.inter).toHaveLength(context?.chunks.length ?? 0);
    most = Math.max(most, statistics.inter.length);
  }
  expect(most).toBeGreaterThan(1);
});

function unit(vector: Float32Array) {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** The vectors of a pass and of questions, made by hand: means of the residual stream after the prefix, of length 1. */
async function pooledBy(layer: number) {
  const { engine, layout } = await layoutOf();
  const byStart = new Map<number, Float32Array>();
  const chunker = singlePassChunker({
    ...singlePass,
    engine,
    prefix: layout.prefix,
    outputs: { pooled: layer },
    onEncoded: ({ tokens, pooled }) => void byStart.set(tokens.start, unit(pooled!)),
  });
  await chunker.chunk(await tokenizeDocument(guide, engine.tokenizer));
  const embedder: Embedder = {
    fingerprint: 'by hand',
    dimensions: engine.model.width,
    embed: async (texts) => {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        const { ids } = await engine.tokenizer.encode(text);
        await using arena = await engine.createArena({ cells: 512 });
        using sequence = arena.createSequence();
        await sequence.append(layout.prefix, { logits: 'none' });
        const { hidden } = await sequence.append(ids, {
          logits: 'none',
          hidden: { layers: [layer] },
        });
        const sum = new Float32Array(engine.model.width);
        for (const [i, value] of hidden!.values.entries()) sum[i % sum.length]! += value;
        vectors.push(unit(sum));
      }
      return vectors;
    },
  };
  return { embedder, vectorOf: (chunk: Chunk) => byStart.get(chunk.tokenStart) };
}

test('passages are found by the vectors that the pass made, and nothing is computed for them again', async () => {
  const rows: number[] = [];
  for (const vectors of [undefined, true as const]) {
    const { weave, engine } = await passWeave({
      singlePass: { ...singlePass, ...(vectors && { vectors }) },
      ...({ retriever: undefined } as object),
    });
    await weave.ingest([guide], plenty);
    rows.push(engine.counters.rowLayers);
    if (!vectors) continue;
    // Under another name: the passages are others, and what was made of them is there.
    await weave.ingest([{ ...guide, id: 'moved.md' }], { ...plenty, complete: true });
    expect(engine.counters.rowLayers).toBe(rows[1]);
    await weave.ingest([guide], { ...plenty, complete: true });
    expect(engine.counters.rowLayers).toBe(rows[1]);
    const byHand = await pooledBy(engine.model.layers - 2);
    const retriever = fusedRetriever(byHand);
    const { engine: own } = await layoutOf();
    const cutAgain = singlePassChunker({
      ...singlePass,
      engine: own,
      prefix: (await layoutOf()).layout.prefix,
    });
    await retriever.add(await cutAgain.chunk(await tokenizeDocument(guide, own.tokenizer)));
    for (const question of [paragraph('guide.md', 9), 'Which lantern?', 'xyzzy']) {
      const found = (await weave.prompt(question, { order: 'rank' })).sources;
      const wanted = await retriever.search(question, { k: found.length });
      expect(found.map(({ start }) => start)).toEqual(wanted.map(({ chunk }) => chunk.start));
    }
  }
  expect(rows[1]).toBe(rows[0]);
});

test('an edit has its neighbourhood passed again, and gives what a fresh ingest gives', async () => {
  const long = book('guide.md', 40);
  const changed = edited(long, 25, paragraph('other', 2));
  const { weave, engine, store } = await passWeave();
  await weave.ingest([long], plenty);
  const whole = engine.counters.rowLayers;
  const report = await weave.ingest([changed], plenty);
  expect(engine.counters.rowLayers - whole).toBeLessThan(whole / 3);
  expect(report.kv.left).toBe(0);
  expect(report.kv.encoded).toBeLessThan(report.chunks / 3);

  const fresh = await passWeave();
  await fresh.weave.ingest([changed], plenty);
  const kept = await variants(await recordsOf(store));
  const made = await variants(await recordsOf(fresh.store));
  expect([...made].filter(([key, data]) => kept.get(key) !== data)).toEqual([]);
  // What saw the page that went is gone with it.
  expect(kept.size).toBe(made.size);
});

test('KV that the store lost is made anew by the next pass over its document, or else after the prefix', async () => {
  const { weave, store } = await passWeave();
  await weave.ingest([guide], plenty);
  const all = await variants(await recordsOf(store));
  for (const key of all.keys()) await store.delete(key);
  const answer = await weave.ask(paragraph('guide.md', 9));
  expect(answer.sources.map(({ cached }) => cached)).toEqual(answer.sources.map(() => false));
  const { kv } = await weave.ingest([{ ...guide, title: 'Another' }], plenty);
  expect(kv.left).toBe(0);
  const again = await variants(await recordsOf(store));
  for (const [key, data] of all) if (isVariant(key)) expect(again.get(key)).toBe(data);
});

test('a segment that cannot be computed is told, and its KV made after the prefix', async () => {
  const notices: ChunkingNotice[] = [];
  const onNotice = (notice: ChunkingNotice) => notices.push(notice);
  const { weave, engine } = await passWeave({ singlePass: { ...singlePass, onNotice } });
  const [first = ''] = guide.text.split('\n\n');
  await weave.ingest([{ id: 'first.md', text: first }], plenty);
  engine.failNext(new Error('device lost'), 1);
  const { chunks, kv } = await weave.ingest([guide], plenty);
  expect(notices).toMatchObject([{ kind: 'structural-fallback', documentId: 'guide.md' }]);
  expect(notices[0]!.end - notices[0]!.start).toBeLessThan(guide.text.length / 2);
  expect(kv).toMatchObject({ left: 0 });
  const answer = await weave.ask(guide.text.slice(notices[0]!.start, notices[0]!.start + 50));
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  const made = new Set(answer.sources.map(({ encodedAfter }) => encodedAfter));
  expect(made).toContain('prefix');
  expect(chunks).toBeGreaterThan(4);
});

test('an index that was restored finds what a pass kept', async () => {
  const { weave, store, retriever } = await passWeave();
  await weave.ingest([guide], plenty);
  const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
  const { weave: later } = await passWeave({ store, retriever: restored });
  const answer = await later.ask(paragraph('guide.md', 9));
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  expect(answer.sources.map(({ encodedAfter }) => encodedAfter)).toContain('document');
});

test('an abort in the middle leaves nothing of the document', async () => {
  const store = memoryStore();
  const controller = new AbortController();
  const { weave } = await passWeave({ store, fake: { latency: { perRow: 0.02 } } });
  const documents: Document[] = [book('long.md', 60)];
  setTimeout(() => controller.abort(new Error('enough')), 300);
  await expect(weave.ingest(documents, { signal: controller.signal })).rejects.toThrow('enough');
  const { documents: count, cells } = await weave.stats();
  expect(count).toBe(0);
  expect(cells.free).toBe(cells.total);
  expect([...(await recordsOf(store)).values()].filter(({ source }) => source)).toEqual([]);
});

test('what is refused takes no cells', async () => {
  const engine = new FakeEngine({ ...fake, maxCells: 768 });
  for (const wrong of [{ vectors: { layer: 7 } }, { maxTokens: 2000 }, { targetTokens: 4000 }]) {
    await expect(createWeave({ engine, cells: 400, singlePass: wrong })).rejects.toThrow(/give/);
  }
  await using weave = await createWeave({ engine, cells: 400, singlePass });
  expect((await weave.stats()).cells.total).toBe(400);
});

test.each([
  [{ warmup: 'document' as const }, /leave out warmup/],
  [{ cells: 60 }, /cannot hold passages/],
  [{ singlePass: { ...singlePass, vectors: true as const } }, /leave out retriever/],
  [
    { singlePass: { vectors: { layer: 2 } }, ...({ retriever: undefined } as object) },
    /give a whole number from 0 to 1/,
  ],
  [{ singlePass: { ...singlePass, targetTokens: 70 } }, /targetTokens/],
])('%j is refused', async (options, message) => {
  await expect(passWeave(options)).rejects.toThrow(message);
});
