import type { KvLayout } from '../../engine/model-info.js';

/** Shape of one layer block: `[tokens][keyWidth]` keys, then `[tokens][valueWidth]` values. */
export interface BlockShape {
  readonly layout: KvLayout;
  readonly tokens: number;
}

/**
 * How keys and values are kept in a tier. Records are f16 in memory; a codec turns one layer block into
 * fewer bytes and back, so layers can be read alone. Encoded sizes depend on the shape only.
 */
export interface KvCodec {
  /** Stands in records: a name never changes its meaning. */
  readonly name: string;
  /** Whether decoding gives back every bit. */
  readonly lossless: boolean;
  encodedBytes(shape: BlockShape): number;
  /** Writes `encodedBytes` bytes to `target`. */
  encode(block: Uint8Array, shape: BlockShape, target: Uint8Array): void;
  /** Writes the f16 layer block to `target`. */
  decode(encoded: Uint8Array, shape: BlockShape, target: Uint8Array): void;
}
