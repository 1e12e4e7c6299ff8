import { layerBytes } from '../../engine/chunk-kv.js';
import type { KvCodec } from './codec.js';

/** Keeps half precision as it is: 16 bits a number. */
export function f16Codec(): KvCodec {
  return {
    name: 'f16',
    lossless: true,
    encodedBytes: ({ layout, tokens }) => layerBytes(layout, tokens),
    encode: (block, _shape, target) => target.set(block),
    decode: (encoded, _shape, target) => target.set(encoded),
  };
}
