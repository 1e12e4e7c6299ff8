import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { KvSequence } from '../../../lib/engine/arena.js';
import type { Span } from '../../../lib/engine/span.js';
import { floatsOf } from '../../../lib/engine/halves.js';
import { encodeDocument, type EncodedDocumentChunk } from '../../../lib/index.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

/** Tokens of passages, each followed by the same two. */
const lengths = [30, 11, 24, 40, 7, 35];
const segment = { chunks: { start: 2, end: 6 } };

let own: OwnCompute;
let prefix: KvSequence;
let tokens: Int32Array;
let suffix: Int32Array;

/** Of the passages with what follows them, and of each half alone. */
const whole: Span[] = [];
const halves: Span[] = [];
for (const length of lengths) {
  const start = whole.at(-1)?.end ?? 0;
  whole.push({ start, end: start + length + 2 });
  halves.push({ start, end: start + length }, { start: start + length, end: start + length + 2 });
}

beforeAll(async () => {
  own = await compute(await tinyFile({ architecture: 'llama', weightType: 'f32', layers: 3 }), {
    cells: 1024,
  });
  tokens = own.tokens(whole.at(-1)!.end, 7);
  suffix = own.tokens(2, 9);
  for (const { end } of whole) tokens.set(suffix, end - 2);
  prefix = own.arena.createSequence();
  await prefix.append(own.tokens(24, 3), { logits: 'none' });
});

afterAll(() => own.dispose());

async function chunksOf(
  options: Omit<Parameters<typeof encodeDocument>[0], 'model' | 'prefix' | 'tokens'>,
): Promise<readonly EncodedDocumentChunk[]> {
  const { info: model } = own.arena.model;
  for await (const { chunks } of encodeDocument({
    model,
    prefix,
    tokens,
    statistics: true,
    ...options,
  })) {
    return chunks;
  }
  return [];
}

const isClose = (a: Float32Array, b: Float32Array, within: number) =>
  a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) <= within);

test('passages that are joined and get their separators behind them attend as those that hold them', async () => {
  // The overlap shows the end of the first passage, and the second.
  const from = whole[1]!.start - 9;
  const end = whole.at(-1)!.end;
  const plain = await chunksOf({
    spans: whole,
    segments: [{ ...segment, tokens: { start: from, end } }],
  });
  const joined = await chunksOf({
    spans: halves,
    segments: [{ chunks: { start: 4, end: 12 }, tokens: { start: from, end } }],
    earlier: [2],
    suffix,
    join: () =>
      lengths.slice(2).map((_, i) => ({
        spans: { start: 4 + 2 * i, end: 6 + 2 * i },
        tokens: halves[4 + 2 * i]!,
      })),
  });
  expect(joined).toHaveLength(4);
  const heads = own.arena.model.info.heads;
  for (const [i, { statistics, kv }] of joined.entries()) {
    const wanted = plain[i]!;
    expect(kv!.tokens).toEqual(wanted.kv!.tokens);
    expect(isClose(floatsOf(kv!.data), floatsOf(wanted.kv!.data), 0.01)).toBe(true);
    const { inter, intra, byLayer, cci, tokens: count } = statistics!;
    expect(count).toBe(lengths[i + 2]! + 2);
    expect(inter.map(({ tokens: seen }) => seen)).toEqual([
      9,
      13,
      ...lengths.slice(2, i + 2).map((n) => n + 2),
    ]);
    for (const [k, { mass }] of inter.entries()) {
      expect(mass).toBeCloseTo(wanted.statistics!.inter[k]!.mass, 2);
    }
    expect(intra).toBeCloseTo(wanted.statistics!.intra, 2);
    expect(cci).toBeCloseTo(wanted.statistics!.cci, 3);
    expect(isClose(byLayer!.inter, wanted.statistics!.byLayer!.inter, 0.01)).toBe(true);
    expect(isClose(byLayer!.intra, wanted.statistics!.byLayer!.intra, 0.01)).toBe(true);
    // What is on neither is on the prefix.
    expect(byLayer!.inter.every((mass, k) => mass + byLayer!.intra[k]! <= heads + 1e-3)).toBe(true);
  }
});
