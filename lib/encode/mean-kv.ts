import type { ChunkKv } from '../engine/chunk-kv.js';
import { floatsOf, writeFloats } from '../engine/halves.js';
import { InvalidArgumentError } from '../errors.js';

/**
 * The mean of one chunk's KV as it came out of several contexts, keys un-rotated. What each context added of its own
 * fades against what they have in common: where the KV of a chunk varies by `v` from context to context, KV of one of `m`
 * contexts is `2 v` away from that of a prompt on average, their mean `(1 + 1/m) v`. It takes the bytes of one.
 *
 * @throws InvalidArgumentError without any, or when they are not of the same tokens, layers and model
 */
export function meanKv(variants: readonly ChunkKv[]): ChunkKv {
  const [first, ...rest] = variants;
  if (!first) throw new InvalidArgumentError('meanKv: give at least one KV.');
  for (const other of rest) {
    if (isSameShape(first, other)) continue;
    throw new InvalidArgumentError('meanKv: the KVs are not of the same tokens, layers and model.');
  }
  if (rest.length === 0) return first;
  const sum = Float32Array.from(floatsOf(first.data));
  for (const { data } of rest) {
    const values = floatsOf(data);
    for (let i = 0; i < sum.length; i++) (sum[i] as number) += values[i] as number;
  }
  for (let i = 0; i < sum.length; i++) (sum[i] as number) /= variants.length;
  const data = new Uint8Array(first.data.byteLength);
  writeFloats(sum, data);
  return { ...first, data };
}

function isSameShape(a: ChunkKv, b: ChunkKv): boolean {
  return (
    a.fingerprint === b.fingerprint &&
    a.layout.keyWidth === b.layout.keyWidth &&
    a.layout.valueWidth === b.layout.valueWidth &&
    a.layers.from === b.layers.from &&
    a.layers.to === b.layers.to &&
    a.data.byteLength === b.data.byteLength &&
    a.tokens.length === b.tokens.length &&
    a.tokens.every((token, i) => token === b.tokens[i])
  );
}
