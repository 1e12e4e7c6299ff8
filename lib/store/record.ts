import { type ChunkKv, layerBytes, type LayerRange } from '../engine/chunk-kv.js';
import { InvalidArgumentError } from '../errors.js';
import { isKey } from './chunk-key.js';
import type { ChunkRecord, RecordInfo } from './chunk-store.js';

/** Bytes that a record takes: its data, its token ids and a little for the rest. */
export function recordBytes(record: ChunkRecord): number {
  return record.kv.data.byteLength + record.kv.tokens.byteLength + 256;
}

/**
 * Refuses a record whose bytes do not fit its own shape, before it takes a place in a store.
 * @throws InvalidArgumentError that says what does not fit.
 */
export function assertRecord(record: ChunkRecord): void {
  const problem = recordProblem(record);
  if (problem) throw new InvalidArgumentError(`Cannot keep this chunk KV: ${problem}.`);
}

/** What is wrong with a record's shape, or undefined. */
export function recordProblem({
  kv,
  computeMs,
  created,
  context,
}: ChunkRecord): string | undefined {
  const { layout, layers, tokens, data } = kv;
  const counts = [layout.layers, layout.keyWidth, layout.valueWidth];
  if (layout.type !== 'f16') return `its type is ${String(layout.type)}, not f16`;
  if (!counts.every((count) => Number.isSafeInteger(count) && count > 0)) {
    return `its layout is ${counts.join(' x ')}`;
  }
  if (!Number.isInteger(layers.from) || !Number.isInteger(layers.to))
    return 'its layers are no range';
  if (layers.from < 0 || layers.from >= layers.to || layers.to > layout.layers) {
    return `it holds the layers ${layers.from} to ${layers.to} of ${layout.layers}`;
  }
  if (tokens.length === 0) return 'it has no tokens';
  const expected = (layers.to - layers.from) * layerBytes(layout, tokens.length);
  if (data.byteLength !== expected) {
    return `it holds ${data.byteLength} bytes where its shape needs ${expected}`;
  }
  if (!Number.isFinite(computeMs) || !Number.isFinite(created)) return 'its times are no numbers';
  if (context && !context.chunks.every(isKey))
    return 'its context names chunks by what are no keys';
  return undefined;
}

/** What a store knows of a record that it keeps, beside what the record says of itself. */
export type RecordKeeping = Pick<RecordInfo, 'bytes' | 'codec' | 'lastUsed' | 'hits'>;

/**
 * What a record says of itself, for `ChunkStore.info` of a store of your own. By default it is taken to be kept as it is
 * (`f16`) and to be unused since it was made.
 */
export function recordInfo(
  key: string,
  record: ChunkRecord,
  kept: Partial<RecordKeeping> = {},
): RecordInfo {
  const { kv, ...notes } = record;
  const { fingerprint, layout, layers, tokens } = kv;
  return {
    key,
    fingerprint,
    layout,
    layers,
    tokens,
    ...notes,
    bytes: kept.bytes ?? recordBytes(record),
    codec: kept.codec ?? 'f16',
    lastUsed: kept.lastUsed ?? record.created,
    hits: kept.hits ?? 0,
  };
}

/**
 * A record's KV layer by layer, sharing its bytes, for `ChunkStore.getLayers` of a store of your own. Layers that it does not
 * hold are left out.
 * @throws InvalidArgumentError for a range that is none.
 */
export function* recordLayers(kv: ChunkKv, wanted?: LayerRange): Generator<ChunkKv, void> {
  const { from, to } = layersToRead(kv.layers, wanted);
  for (let layer = from; layer < to; layer++) yield layerOf(kv, layer);
}

function layerOf(kv: ChunkKv, layer: number): ChunkKv {
  const bytes = layerBytes(kv.layout, kv.tokens.length);
  const at = (layer - kv.layers.from) * bytes;
  return {
    ...kv,
    data: kv.data.subarray(at, at + bytes),
    layers: { from: layer, to: layer + 1 },
  };
}

/**
 * The layers to read of those that a record holds.
 * @throws InvalidArgumentError for a range that is none.
 */
export function layersToRead(held: LayerRange, wanted: LayerRange = held): LayerRange {
  const { from, to } = wanted;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || from > to) {
    throw new InvalidArgumentError(`The layers ${from} to ${to} are no range.`);
  }
  return { from: Math.max(from, held.from), to: Math.max(from, Math.min(to, held.to)) };
}
