import type { KvCorrection } from '../../engine/arena.js';
import { type ChunkKv, layerKeys, layerValues } from '../../engine/chunk-kv.js';
import { writeHalves } from '../../engine/half.js';
import { seededNormals, seededRandom } from '../../random.js';
import { sameNumbers } from './assert.js';
import { keysOf, valuesOf } from './compare.js';
import { type ConformanceCase, type Lab, numbers, span } from './lab.js';

/** Corrections of entries, by vectors that they share. */
export const correctionCases: readonly ConformanceCase[] = [
  {
    name: 'entries in any order get the vectors that they name',
    run: async (lab) => {
      const choices: readonly (readonly [vectors: number, of: number[]])[] = [
        [2, [1, 0, 1, 1, 0]],
        // As many as entries, but not one for each; some for none.
        [5, [4, 0, 3, 0, 1]],
        [8, [7, 2, 2, 5, 0]],
        [1, [0, 0, 0, 0, 0]],
      ];
      const entries = Int32Array.of(15, 3, 19, 0, 12);
      for (const layers of ranges(lab)) {
        for (const [seed, [vectors, of]] of choices.entries()) {
          const correction = { ...make(lab, layers, vectors, seed), of: Int32Array.from(of) };
          await check(lab, entries, correction, of);
        }
      }
    },
  },
  {
    name: 'one entry of many vectors, and a span by vectors',
    run: async (lab) => {
      const [layers] = ranges(lab) as [KvCorrection['layers']];
      const named = { ...make(lab, layers, 3, 20), of: Int32Array.of(2) };
      await check(lab, Int32Array.of(7), named, [2]);
      const of = [1, 1, 0, 1, 0, 0];
      const shared = { ...make(lab, layers, 2, 21), of: Int32Array.from(of) };
      await check(lab, span(4, 10), shared, of);
    },
  },
  {
    name: 'entries without names get one vector, or one each in the order in which they are named',
    run: async (lab) => {
      const entries = Int32Array.of(11, 2, 18, 6);
      for (const layers of ranges(lab)) {
        await check(lab, entries, make(lab, layers, 1, 30), [0, 0, 0, 0]);
        await check(lab, entries, make(lab, layers, 4, 31), [0, 1, 2, 3]);
      }
    },
  },
  {
    name: 'keys and values may have different numbers of vectors, and nothing may be corrected',
    run: async (lab) => {
      const layers = { from: 0, to: 1 };
      const of = [1, 0, 1];
      const keys = make(lab, layers, 2, 40).keys as Float32Array;
      const values = make(lab, layers, 4, 41).values as Float32Array;
      const entries = Int32Array.of(9, 14, 5);
      await check(lab, entries, { layers, keys, values, of: Int32Array.from(of) }, of);
      await check(lab, entries, { layers, values, of: Int32Array.from(of) }, of);
      await check(lab, entries, { layers, keys, of: Int32Array.from(of) }, of);
      await check(lab, entries, { layers }, of);
      await check(lab, new Int32Array(), { layers, keys, of: new Int32Array() }, []);
    },
  },
];

function ranges({ layers }: Lab): KvCorrection['layers'][] {
  const all = { from: 0, to: layers };
  return layers > 1 ? [all, { from: layers - 1, to: layers }] : [all];
}

function make(
  lab: Lab,
  layers: KvCorrection['layers'],
  vectors: number,
  seed: number,
): KvCorrection {
  const { kv } = lab.engine.model;
  const random = seededRandom(seed + 5);
  const list = (width: number): Float32Array =>
    Float32Array.from(seededNormals(random, (layers.to - layers.from) * vectors * width, 0.4));
  return { layers, keys: list(kv.keyWidth), values: list(kv.valueWidth) };
}

/** Corrects a fork, far from position 0, and compares it with what editing its KV gives. */
async function check(
  lab: Lab,
  target: Int32Array | { readonly start: number; readonly end: number },
  correction: KvCorrection,
  of: readonly number[],
): Promise<void> {
  const { sequence } = await lab.prefill(lab.tokens(20, 1), { positions: numbers(30, 50) });
  const before = await lab.capture(sequence);
  const entries = ArrayBuffer.isView(target) ? target : numbers(target.start, target.end);
  const fork = sequence.fork();
  await fork.correct(target, correction);
  lab.sameKv(await lab.capture(fork), edited(before, entries, correction, of), 'corrected KV');
  sameNumbers((await lab.capture(sequence)).data, before.data, 'KV of what shares the cells');
  fork.dispose();
  sequence.dispose();
}

function edited(
  kv: ChunkKv,
  entries: Int32Array,
  { layers, keys, values }: KvCorrection,
  of: readonly number[],
): ChunkKv {
  const result = { ...kv, data: kv.data.slice() };
  for (let layer = layers.from; layer < layers.to; layer++) {
    for (const [held, change, target] of [
      [keysOf(kv, layer), keys, layerKeys(result, layer)],
      [valuesOf(kv, layer), values, layerValues(result, layer)],
    ] as const) {
      if (!change) continue;
      const width = held.length / kv.tokens.length;
      const vectors = change.length / (width * (layers.to - layers.from));
      for (const [i, entry] of entries.entries()) {
        const from = ((layer - layers.from) * vectors + (of[i] as number)) * width;
        for (let j = 0; j < width; j++) {
          const at = entry * width + j;
          held[at] = (held[at] as number) + (change[from + j] as number);
        }
      }
      writeHalves(held, target);
    }
  }
  return result;
}
