import { layerBytes } from '../engine/chunk-kv.js';
import { InvalidArgumentError } from '../errors.js';
import type { ChunkRecord } from './chunk-store.js';

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
export function recordProblem({ kv, computeMs, created }: ChunkRecord): string | undefined {
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
  return undefined;
}
