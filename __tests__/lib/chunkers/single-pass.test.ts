import { describe, expect, test } from '@jest/globals';
import {
  type ChunkingNotice,
  chunkDocument,
  type EncodedPassage,
  memoryBoundaryCache,
  singlePassChunker,
  type SinglePassChunkerOptions,
  tokenizeDocument,
} from '../../../lib/index.js';
import {
  chunkerConformance,
  FakeEngine,
  seededInteger,
  seededRandom,
} from '../../../lib/testing/index.js';
import { oneInTen, quickEngine } from '../../support/quick-engine.js';
import { randomDocuments, soak } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const engine = new FakeEngine({ layers: 2, width: 8, headDim: 4 });
const { tokenizer, model, counters } = engine;
const segments = { maxTokens: 448, overlap: 32 };
const small = { engine, segments, maxTokens: 75, targetTokens: 50 };

describe('single pass', () => {
  chunkerConformance({
    test,
    chunker: () => singlePassChunker(small),
    tokenizer: () => tokenizer,
    maxTokens: 75,
    longLine: 800,
    randomDocuments: soak ? 500 : 4,
  });
});

describe('single pass over losses that are hashes, one segment in ten failing', () => {
  const words = wordTokenizer();
  chunkerConformance({
    test,
    chunker: () =>
      singlePassChunker({
        engine: quickEngine(words, oneInTen).engine,
        segments: { maxTokens: 160, overlap: 20 },
        maxTokens: 40,
      }),
    tokenizer: () => words,
    maxTokens: 40,
    longLine: 10_000,
    ...randomDocuments(60),
  });
});

const random = seededRandom(3);
const word = () =>
  Array.from({ length: 2 + seededInteger(random, 4) }, () =>
    String.fromCharCode(97 + seededInteger(random, 26)),
  ).join('');
const sentence = () => {
  const words = Array.from({ length: 2 + seededInteger(random, 4) }, word).join(' ');
  return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
};
const sentences = Array.from({ length: 100 }, sentence);
const joined = (list: readonly string[]) =>
  list.map((one, i) => one + (i % 9 === 8 ? '\n\n' : ' ')).join('');
const text = joined(sentences);
const document = await tokenizeDocument({ id: 'd', text }, tokenizer);

async function ingest(of: string, options: Partial<SinglePassChunkerOptions> = {}) {
  const encoded: EncodedPassage[] = [];
  const before = counters.rowLayers;
  const chunks = await chunkDocument(
    { id: 'd', text: of },
    {
      tokenizer,
      chunker: singlePassChunker({
        ...small,
        onEncoded: (passage) => {
          encoded.push(passage);
        },
        ...options,
      }),
    },
  );
  return { chunks, encoded, rows: (counters.rowLayers - before) / model.layers };
}

test('every chunk comes with its KV, as of one pass over its segment', async () => {
  const { chunks, encoded } = await ingest(text, {
    outputs: { kv: true, statistics: true, pooled: 1 },
  });
  expect(chunks.length).toBeGreaterThan(20);
  expect(encoded.map(({ tokens }) => tokens.start)).toEqual(chunks.map((c) => c.tokenStart));
  expect(encoded.map(({ number }) => number)).toEqual([...chunks.keys()]);
  await using arena = await engine.createArena({ cells: 512 });
  const { ids } = document.tokens;
  for (const { number, kv, tokens, warmup, saw, statistics, pooled } of encoded) {
    // A plain pass over what the chunk saw, then the chunk.
    using sequence = arena.createSequence();
    await sequence.append(Int32Array.of(tokenizer.bos), { logits: 'none' });
    if (warmup.end > warmup.start) {
      await sequence.append(ids.slice(warmup.start, warmup.end), { logits: 'none' });
    }
    const start = sequence.length;
    const { attention } = await sequence.append(ids.slice(tokens.start, tokens.end), {
      logits: 'none',
      attention: {
        layers: model.probeLayers,
        spans: [{ start, end: start + tokens.end - tokens.start }],
      },
    });
    const alone = await sequence.capture({ start, end: sequence.length });
    expect(kv!.tokens).toEqual(chunks[number]!.tokens);
    expect(Buffer.compare(kv!.data, alone.data)).toBe(0);
    let intra = 0;
    for (const mass of attention![0]!.bySpan!) intra += mass / model.probeLayers.length;
    // The engine's masses on a chunk go over its sentences, with the blank behind the last one; no token sees that.
    expect(statistics!.intra).toBeCloseTo(intra, 3);
    expect(statistics!.inter.every(({ chunk }) => chunk >= saw.start && chunk < number)).toBe(true);
    expect(saw.end).toBe(number);
    expect(pooled).toHaveLength(model.width);
    expect(pooled!.every(Number.isFinite)).toBe(true);
  }
});

const segmentStart = ({ start }: { readonly start: number }, overlap: number) =>
  start > 0 ? start + overlap : 0;

test.each([0, 2])(
  'statistics are those of a plain pass, a suffix of %i tokens included',
  async (count) => {
    const suffix = Int32Array.of(302, 45).slice(0, count);
    const few = joined(sentences.slice(0, 16));
    const own = {
      suffix,
      maxTokens: 40,
      targetTokens: 20,
      segments: { maxTokens: 130, overlap: 48 },
    };
    const outputs = { kv: true, statistics: true };
    const { chunks, encoded } = await ingest(few, { ...own, outputs });
    const plain = await ingest(few, own);
    await using arena = await engine.createArena({ cells: 512 });
    const { ids } = (await tokenizeDocument({ id: 'd', text: few }, tokenizer)).tokens;
    const layers = model.probeLayers;
    const several: number[] = [];
    for (const [i, { kv, tokens, warmup, saw, statistics }] of encoded.entries()) {
      expect(Buffer.compare(kv!.data, plain.encoded[i]!.kv!.data)).toBe(0);
      using sequence = arena.createSequence();
      await sequence.append(Int32Array.of(tokenizer.bos), { logits: 'none' });
      const before = ids.slice(warmup.start, warmup.end);
      if (before.length > 0) await sequence.append(before, { logits: 'none' });
      const { length } = sequence;
      const run = Int32Array.of(...ids.slice(tokens.start, tokens.end), ...suffix);
      // An earlier chunk reaches to the next one, so that the blanks between them are its own.
      const at = (place: number) => place - warmup.start + 1;
      const firsts = Array.from({ length: saw.end - saw.start }, (_, k) =>
        k === 0 ? warmup.start : chunks[saw.start + k]!.tokenStart,
      );
      const spans = [...firsts, tokens.start].map((from, k) => ({
        start: at(from),
        end: k < firsts.length ? at(firsts[k + 1] ?? tokens.start) : length + run.length,
      }));
      const { attention } = await sequence.append(run, {
        logits: 'none',
        attention: { layers, perLayer: true, spans },
      });
      const { bySpan } = attention![0]!;
      const masses = new Float32Array(spans.length);
      const inter = new Float32Array(layers.length * run.length);
      const intra = new Float32Array(layers.length * run.length);
      for (const [place, mass] of bySpan!.entries()) {
        const column = place % spans.length;
        const row = Math.floor(place / spans.length);
        masses[column]! += mass / layers.length;
        if (column < firsts.length) inter[row]! += mass;
        else intra[row]! += mass;
      }
      expect(statistics!.tokens).toBe(kv!.tokens.length);
      expect(statistics!.inter.map(({ chunk }) => chunk)).toEqual(
        firsts.map((_, k) => saw.start + k),
      );
      for (const [k, { mass }] of statistics!.inter.entries())
        expect(mass).toBeCloseTo(masses[k]!, 3);
      expect(statistics!.intra).toBeCloseTo(masses.at(-1)!, 3);
      const { byLayer } = statistics!;
      expect(byLayer!.inter.every((mass, k) => Math.abs(mass - inter[k]!) < 1e-4)).toBe(true);
      expect(byLayer!.intra.every((mass, k) => Math.abs(mass - intra[k]!) < 1e-4)).toBe(true);
      const seenBefore =
        chunks.filter(({ tokenStart }) => tokenStart < segmentStart(warmup, own.segments.overlap))
          .length - saw.start;
      if (warmup.start > 0) several.push(seenBefore);
    }
    // Overlaps show whole chunks, not only what one says.
    expect(Math.max(...several)).toBeGreaterThan(1);
  },
);

test('at most 1.15 rows are computed for each token, losses and KV together', async () => {
  const { rows } = await ingest(text);
  const tokens = document.tokens.ids.length;
  expect(rows).toBeGreaterThanOrEqual(tokens);
  expect(rows).toBeLessThanOrEqual(1.15 * tokens);
});

test('an edit computes its neighbourhood again, and the result is that of a fresh ingest', async () => {
  const entries = new Map<string, readonly number[]>();
  const first = await ingest(text, { cache: memoryBoundaryCache(entries) });
  const kvOf = new Map(first.encoded.map(({ number, kv }) => [first.chunks[number]!.id, kv!.data]));
  expect((await ingest(text, { cache: memoryBoundaryCache(entries) })).rows).toBe(0);
  let most = 0;
  let total = 0;
  const places = [0, 50, 99];
  for (const place of places) {
    const edited = joined(sentences.with(place, 'Something quite different stands here.'));
    const again = await ingest(edited, { cache: memoryBoundaryCache(new Map(entries)) });
    const fresh = await ingest(edited);
    expect(again.chunks).toEqual(fresh.chunks);
    // What was computed before and now are together what a fresh ingest computes.
    const now = new Map(again.encoded.map(({ number, kv }) => [number, kv!.data]));
    for (const { number, kv } of fresh.encoded) {
      const own = now.get(number) ?? kvOf.get(fresh.chunks[number]!.id);
      expect(own && Buffer.compare(own, kv!.data)).toBe(0);
    }
    expect(again.encoded.length).toBeGreaterThan(0);
    most = Math.max(most, again.rows);
    total += again.rows;
  }
  const whole = first.rows;
  expect(total / places.length).toBeLessThan(0.35 * whole);
  expect(most).toBeLessThan(0.75 * whole);
});

test('what is known of one model, prefix or setting is not taken for another', async () => {
  const cache = memoryBoundaryCache();
  const { rows } = await ingest(text, { cache });
  const prefix = Int32Array.of(tokenizer.bos, 30, 31);
  expect((await ingest(text, { cache, prefix })).rows).toBeGreaterThan(rows);
  expect((await ingest(text, { cache, prefix })).rows).toBe(0);
  expect((await ingest(text, { cache, targetTokens: 40 })).rows).toBe(rows);
  expect((await ingest(text, { cache, outputs: { kv: true, statistics: true } })).rows).toBe(rows);
});

test('a prefix that is computed already is used, and left as it was', async () => {
  await using arena = await engine.createArena({ cells: 512 });
  using prefix = arena.createSequence();
  await prefix.append(Int32Array.of(tokenizer.bos), { logits: 'none' });
  const free = arena.free;
  const shared = await ingest(text, { prefix });
  const own = await ingest(text);
  expect(shared.chunks).toEqual(own.chunks);
  expect(shared.rows).toBe(own.rows - 1);
  expect(arena.free).toBe(free);
});

test('a segment that cannot be computed is cut by its structure; the next time it is computed', async () => {
  const notices: ChunkingNotice[] = [];
  const cache = memoryBoundaryCache();
  engine.failNext(new Error('device lost'), 5);
  const failed = await ingest(text, { cache, onNotice: (notice) => notices.push(notice) });
  expect(notices).toHaveLength(1);
  const [notice] = notices;
  expect(notice).toMatchObject({ kind: 'structural-fallback', documentId: 'd' });
  expect(notice!.end).toBeGreaterThan(notice!.start);
  expect(notice!.end).toBeLessThan(text.length);
  expect(failed.encoded.length).toBeLessThan(failed.chunks.length);
  const again = await ingest(text, { cache });
  expect(again.chunks).toEqual((await ingest(text)).chunks);
  expect(again.encoded.length).toBeGreaterThan(0);
  expect(again.encoded.length).toBeLessThan(again.chunks.length);
});

test('one failing segment costs itself; after two in a row no more are tried, and what is known is taken', async () => {
  const words = wordTokenizer();
  const long = Array.from(
    { length: 400 },
    (_, i) => `Number ${i} stands for word${(i * 7919) % 97}.`,
  ).join(' ');
  const cutWith = async (
    fails: (tokens: Int32Array, run: number) => boolean,
    cache = memoryBoundaryCache(),
  ) => {
    const { engine: quick, runs } = quickEngine(words, fails);
    const notices: ChunkingNotice[] = [];
    const chunker = singlePassChunker({
      engine: quick,
      segments: { maxTokens: 200, overlap: 20 },
      maxTokens: 60,
      cache,
      onNotice: (notice) => notices.push(notice),
    });
    const chunks = await chunkDocument({ id: 'd', text: long }, { tokenizer: words, chunker });
    return { chunks: chunks.map((chunk) => chunk.text), runs, notices };
  };
  const well = await cutWith(() => false);
  expect(well.runs.length).toBeGreaterThan(8);
  const once = await cutWith((_, run) => run === 3);
  expect(once.runs).toHaveLength(well.runs.length);
  expect(once.notices).toHaveLength(1);
  const { start, end } = once.notices[0]!;
  const untouched = (texts: readonly string[]) =>
    texts.filter((one) => long.indexOf(one) + one.length <= start || long.indexOf(one) >= end);
  expect(untouched(once.chunks)).toEqual(untouched(well.chunks));
  const cache = memoryBoundaryCache();
  await cutWith((_, run) => run <= 3 && run !== 1, cache);
  const never = await cutWith(() => true);
  expect(never.runs).toHaveLength(2);
  expect(never.notices).toHaveLength(well.runs.length);
  expect(never.notices.at(-1)!.message).toContain('no more was tried');
  expect(never.chunks.map((one) => one.trim()).join(' ') === long).toBe(true);
  // The first segment is known by now.
  const again = await cutWith(() => true, cache);
  expect(again.notices[0]!.start).toBeGreaterThan(0);
});

test('what the receiver throws ends the work, and nothing counts as known', async () => {
  const cache = memoryBoundaryCache();
  const failing = ingest(text, {
    cache,
    onEncoded: () => {
      throw new Error('store is full');
    },
  });
  await expect(failing).rejects.toThrow('store is full');
  const { encoded, chunks } = await ingest(text, { cache });
  expect(encoded).toHaveLength(chunks.length);
});
