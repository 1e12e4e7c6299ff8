import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PIECE_ROWS } from '../../../adapters/ggml/model.js';
import { type ChunkKv, layerKeys, layerValues } from '../../../lib/engine/chunk-kv.js';
import { floatsOf } from '../../../lib/engine/halves.js';
import { compute, type OwnCompute, tinyFile } from '../../support/native.js';

const LAYERS = 4;
const PREFIX = 16;
/** More than one piece, the last one short. */
const ROWS = PIECE_ROWS + 90;

let file: string;

beforeAll(async () => {
  file = await tinyFile({ architecture: 'llama', layers: LAYERS });
});

/** Root mean square over a span's rows, and the mean of what they changed by. */
function meanChange(
  part: (kv: ChunkKv, layer: number) => Uint8Array,
  [before, after]: readonly [ChunkKv, ChunkKv],
  layer: number,
  rows: readonly number[],
): { readonly mean: Float64Array; readonly scale: number } {
  const [old, fresh] = [floatsOf(part(before, layer)), floatsOf(part(after, layer))];
  const width = old.length / before.tokens.length;
  const mean = new Float64Array(width);
  let squares = 0;
  for (const row of rows) {
    for (let i = 0; i < width; i++) {
      const held = old[row * width + i]!;
      mean[i]! += (fresh[row * width + i]! - held) / rows.length;
      squares += held ** 2 / rows.length;
    }
  }
  return { mean, scale: Math.sqrt(squares) };
}

describe.each([
  ['all layers in one compute', undefined],
  ['a layer a compute', 1],
])('rows in several pieces, %s', (_, layersPerCompute) => {
  let own: OwnCompute;

  beforeAll(async () => {
    own = await compute(file, {
      cells: 2048,
      ...(layersPerCompute !== undefined && { layersPerCompute }),
    });
  });

  afterAll(() => own.dispose());

  test('changes are means over the rows of all pieces', async () => {
    const source = own.arena.createSequence();
    await source.append(own.tokens(PREFIX + ROWS, 3), { logits: 'none' });
    const kv = await source.capture({ start: PREFIX, end: PREFIX + ROWS });
    source.dispose();
    const sequence = own.arena.createSequence();
    await sequence.append(own.tokens(PREFIX + 8, 4), { logits: 'none' });
    const place = await sequence.splice(kv);
    const before = await sequence.capture(place);
    const at = place.start;
    const spans = [
      { start: at, end: at + 100 },
      // On both sides of the border between pieces.
      { start: at + PIECE_ROWS - 40, end: at + PIECE_ROWS + 30 },
      { start: at + PIECE_ROWS + 30, end: at + PIECE_ROWS + 30 },
      { start: at + PIECE_ROWS + 60, end: place.end },
    ];
    const { change } = await sequence.refresh(place, { change: { group: 0, spans } });
    const after = await sequence.capture(place);
    expect([...change!.rows]).toEqual([100, 70, 0, 30]);
    for (const [part, values] of [
      [layerKeys, change!.keys],
      [layerValues, change!.values],
    ] as const) {
      const width = values.length / (LAYERS * spans.length);
      for (let layer = 0; layer < LAYERS; layer++) {
        for (const [number, { start, end }] of spans.entries()) {
          const offset = (layer * spans.length + number) * width;
          const got = values.subarray(offset, offset + width);
          const rows = Array.from({ length: end - start }, (_row, i) => start - at + i);
          const { mean, scale } = meanChange(part, [before, after], layer, rows);
          const off = Math.hypot(...mean.map((value, i) => value - got[i]!));
          expect(off).toBeLessThanOrEqual(2e-3 * scale);
          if (rows.length > 0 && layer > 0) expect(Math.hypot(...mean)).toBeGreaterThan(4 * off);
        }
      }
    }
    sequence.dispose();
  });
});
