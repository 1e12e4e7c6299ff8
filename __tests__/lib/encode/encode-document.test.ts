import { expect, test } from '@jest/globals';
import {
  encodeChunkAfter,
  encodeDocument,
  type EncodedDocumentChunk,
  type EncodedSegment,
  type EncodeDocumentOptions,
  packStatistics,
  segmentsOf,
  unpackStatistics,
} from '../../../lib/index.js';
import type { Span } from '../../../lib/engine/span.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const engine = new FakeEngine();
const { model } = engine;
const random = seededRandom(11);
const some = (count: number): Int32Array =>
  Int32Array.from({ length: count }, () => 20 + seededInteger(random, 200));

const arena = await engine.createArena({ cells: 4000 });
const prefix = arena.createSequence();
await prefix.append(some(6), { logits: 'none' });
const tokens = some(400);
const spans: Span[] = [];
for (let at = 0; at < 400;) {
  const end = Math.min(400, at + 15 + seededInteger(random, 20));
  spans.push({ start: at, end });
  at = end;
}
const segments = { maxTokens: 120, minTokens: 60, overlap: 30 };
const options: EncodeDocumentOptions = { model, prefix, tokens, spans, segments };

async function all(more: Partial<EncodeDocumentOptions> = {}): Promise<EncodedSegment[]> {
  const list: EncodedSegment[] = [];
  for await (const segment of encodeDocument({ ...options, ...more })) list.push(segment);
  return list;
}

const chunksOf = (list: readonly EncodedSegment[]): EncodedDocumentChunk[] =>
  list.flatMap(({ chunks }) => chunks);

test('each chunk’s KV is what it is after the text before it in its segment', async () => {
  const free = arena.free;
  const chunks = chunksOf(await all());
  expect(chunks.map(({ number }) => number)).toEqual([...spans.keys()]);
  for (const { number, kv, warmup } of chunks) {
    const span = spans[number]!;
    expect(warmup.end).toBe(span.start);
    const alone = await encodeChunkAfter({
      prefix,
      warmup: tokens.slice(warmup.start, warmup.end),
      tokens: tokens.slice(span.start, span.end),
    });
    expect(kv!.tokens).toEqual(alone.kv.tokens);
    expect(Buffer.compare(kv!.data, alone.kv.data)).toBe(0);
  }
  // Every chunk but the document's first ones sees at least the overlap.
  const short = chunks.filter(({ warmup }) => warmup.end - warmup.start < 30);
  expect(short.every(({ warmup }) => warmup.start === 0)).toBe(true);
  expect(arena.free).toBe(free);
});

test('computing some segments gives the same bits as computing all of them', async () => {
  const whole = chunksOf(await all());
  const some = await all({ only: [3, 1] });
  expect(some.map(({ number }) => number)).toEqual([3, 1]);
  for (const { number, kv } of chunksOf(some)) {
    expect(Buffer.compare(kv!.data, whole[number]!.kv!.data)).toBe(0);
  }
});

test('an edited document’s untouched segments give the same bits', async () => {
  const before = chunksOf(await all());
  const edited = tokens.slice();
  edited[395] = 21;
  const after = chunksOf(await all({ tokens: edited }));
  const segmented = segmentsOf(tokens, spans, segments);
  const last = segmented.at(-1)!.chunks.start;
  expect(last).toBeGreaterThan(2);
  for (let i = 0; i < last; i++) {
    expect(Buffer.compare(before[i]!.kv!.data, after[i]!.kv!.data)).toBe(0);
  }
  expect(Buffer.compare(before.at(-1)!.kv!.data, after.at(-1)!.kv!.data)).not.toBe(0);
});

test('losses are those of a plain pass, one for each token', async () => {
  const list = await all({ losses: true, kv: false, segments: { maxTokens: 1000 } });
  expect(list).toHaveLength(1);
  const plain = prefix.fork();
  const { losses } = await plain.append(tokens, { losses: true, logits: 'none' });
  plain.dispose();
  expect(list[0]!.losses).toHaveLength(400);
  expect(list[0]!.losses![0]).toBeNaN();
  expect(list[0]!.losses!.slice(1)).toEqual(losses!.slice(0, -1));
  expect(list[0]!.chunks.every(({ kv }) => kv === undefined)).toBe(true);

  const divided = await all({ losses: true, kv: false });
  const joined = divided.flatMap(({ losses: own }) => [...own!]);
  expect(joined).toHaveLength(400);
  expect(joined.slice(1).every(Number.isFinite)).toBe(true);
  // Without spans the same document has losses too.
  const uncut: EncodedSegment[] = [];
  const { spans: _, ...rest } = options;
  for await (const segment of encodeDocument({ ...rest, losses: true, kv: false }))
    uncut.push(segment);
  expect(uncut.flatMap(({ losses: own }) => [...own!])).toHaveLength(400);
});

test('statistics are the attention of each chunk’s tokens on what they saw', async () => {
  const list = await all({ statistics: true });
  const { layers } = list[0]!.chunks[0]!.statistics!;
  expect(layers).toEqual(model.probeLayers);
  for (const { chunks } of list.slice(0, 3)) {
    for (const { number, warmup, saw, statistics } of chunks) {
      const span = spans[number]!;
      // The same attention, asked for by probing the chunk's tokens behind what they saw.
      const sequence = prefix.fork();
      const seen = tokens.slice(warmup.start, warmup.end);
      if (seen.length > 0) await sequence.append(seen, { logits: 'none' });
      const asked = tokens.slice(span.start, span.end);
      const apart = await sequence.probe(asked, { layers, perLayer: true });
      sequence.dispose();
      const entries = apart.byEntry.length / layers.length;
      const byEntry = Float64Array.from({ length: entries }, (_, entry) =>
        layers.reduce((sum, _layer, at) => sum + apart.byEntry[at * entries + entry]!, 0),
      );
      const mass = (from: number, to: number): number => {
        let sum = 0;
        for (let i = from; i < to; i++) sum += byEntry[i]!;
        return sum / layers.length;
      };
      const at = (token: number): number => prefix.length + token - warmup.start;
      expect(statistics!.inter.map(({ chunk }) => chunk)).toEqual(
        Array.from({ length: saw.end - saw.start }, (_, i) => saw.start + i),
      );
      let a = 0;
      for (const { chunk, mass: got, tokens: count } of statistics!.inter) {
        const from = Math.max(warmup.start, spans[chunk]!.start);
        expect(count).toBe(spans[chunk]!.end - from);
        expect(got).toBeCloseTo(mass(at(from), at(spans[chunk]!.end)), 3);
        a += got / (count * asked.length);
      }
      expect(statistics!.intra).toBeCloseTo(mass(at(span.start), at(span.end)), 3);
      expect(statistics!.a).toBeCloseTo(a, 6);
      expect(statistics!.b).toBeCloseTo(statistics!.intra / asked.length ** 2, 6);
      expect(statistics!.cci).toBeCloseTo(1 / (1 + Math.exp(-a / statistics!.b)), 6);
      expect(statistics!.cci).toBeGreaterThanOrEqual(0.5);
      const byToken = statistics!.interByToken.reduce((sum, value) => sum + value, 0);
      expect(byToken).toBeCloseTo(
        statistics!.inter.reduce((sum, { mass: m }) => sum + m, 0),
        3,
      );
      expect(statistics!.interByToken).toHaveLength(asked.length);
      const { inter, intra } = statistics!.byLayer!;
      expect(inter).toHaveLength(layers.length * asked.length);
      const total = (list: Float32Array, layer: number): number =>
        list
          .slice(layer * asked.length, (layer + 1) * asked.length)
          .reduce((sum, value) => sum + value, 0);
      for (const layer of layers.keys()) {
        const own = apart.byEntry.slice(layer * entries, (layer + 1) * entries);
        const sum = (from: number, to: number) => own.slice(from, to).reduce((x, y) => x + y, 0);
        expect(total(inter, layer)).toBeCloseTo(sum(prefix.length, at(span.start)), 3);
        expect(total(intra, layer)).toBeCloseTo(sum(at(span.start), at(span.end)), 3);
      }
      const off = [...statistics!.interByToken].map((got, token) => {
        let mean = 0;
        for (const layer of layers.keys())
          mean += inter[layer * asked.length + token]! / layers.length;
        return Math.abs(got - mean);
      });
      expect(Math.max(...off)).toBeLessThan(1e-5);
      const kept = unpackStatistics(packStatistics(statistics!))!;
      for (const name of ['inter', 'intra'] as const) {
        const rounded = kept.byLayer![name];
        // Half precision: 11 bits.
        const isOff = (mass: number, i: number) =>
          !(Math.abs(rounded[i]! - mass) <= mass / 2048 + 1e-7);
        expect([...statistics!.byLayer![name]].filter(isOff)).toEqual([]);
      }
    }
  }
});

test('pooled vectors are the mean residual stream of each chunk', async () => {
  const layer = model.layers - 1;
  const [first] = await all({ pooled: layer, kv: false, only: [0] });
  const sequence = prefix.fork();
  const { tokens: run } = first!.segment;
  const { hidden } = await sequence.append(tokens.slice(run.start, run.end), {
    hidden: { layers: [layer] },
    logits: 'none',
  });
  sequence.dispose();
  for (const { number, pooled } of first!.chunks) {
    const { start, end } = spans[number]!;
    for (let i = 0; i < model.width; i++) {
      let mean = 0;
      for (let row = start; row < end; row++)
        mean += hidden!.values[row * model.width + i]! / (end - start);
      expect(pooled![i]).toBeCloseTo(mean, 4);
    }
  }
});

test('progress counts what is computed, and an abort ends it between segments with nothing held', async () => {
  const free = arena.free;
  const controller = new AbortController();
  const told: number[][] = [];
  const run = (async () => {
    for await (const { number } of encodeDocument({
      ...options,
      signal: controller.signal,
      onProgress: (done, total) => told.push([done, total]),
    })) {
      if (number === 1) controller.abort(new Error('enough'));
    }
  })();
  await expect(run).rejects.toThrow('enough');
  expect(told).toHaveLength(2);
  const computed = segmentsOf(tokens, spans, segments).reduce(
    (sum, { tokens: { start, end } }) => sum + end - start,
    0,
  );
  expect(told[0]![1]).toBe(computed);
  expect(told[1]![0]).toBeGreaterThan(told[0]![0]!);
  expect(arena.free).toBe(free);
});

test('an empty document has no segments', async () => {
  expect(await all({ tokens: new Int32Array(0), spans: [] })).toEqual([]);
});
