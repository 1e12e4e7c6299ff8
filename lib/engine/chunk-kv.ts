import type { KvLayout } from './model-info.js';

/**
 * Keys and values of a run of tokens, free of position: keys are kept *before* rotation (RoPE), values as
 * they are. Splicing rotates the keys to their new positions.
 */
export interface ChunkKv {
  /** {@link ModelInfo.fingerprint} of the model that made it. */
  readonly fingerprint: string;
  readonly layout: KvLayout;
  /** Token ids, one for each row. */
  readonly tokens: Int32Array;
  /**
   * For each layer `l` in `layers`, one block at `(l - layers.from) * layerBytes(layout, tokens.length)`:
   * keys `[tokens][keyWidth]`, then values `[tokens][valueWidth]`, little-endian. Not to be changed any more:
   * whoever holds the KV shares them, and an engine looks through them once only.
   */
  readonly data: Uint8Array;
  /** Which layers `data` holds; all of them unless it was captured or read in part. */
  readonly layers: LayerRange;
}

/** Layers `from` (included) to `to` (excluded). */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

/** Bytes of one layer block of `tokens` rows. */
export function layerBytes(layout: KvLayout, tokens: number): number {
  return tokens * (layout.keyWidth + layout.valueWidth) * 2;
}

/** The view of one layer's keys within `kv.data`. */
export function layerKeys(kv: ChunkKv, layer: number): Uint8Array {
  const at = (layer - kv.layers.from) * layerBytes(kv.layout, kv.tokens.length);
  return kv.data.subarray(at, at + kv.tokens.length * kv.layout.keyWidth * 2);
}

/** The view of one layer's values within `kv.data`. */
export function layerValues(kv: ChunkKv, layer: number): Uint8Array {
  const at = (layer - kv.layers.from) * layerBytes(kv.layout, kv.tokens.length);
  const keys = kv.tokens.length * kv.layout.keyWidth * 2;
  return kv.data.subarray(at + keys, at + layerBytes(kv.layout, kv.tokens.length));
}
