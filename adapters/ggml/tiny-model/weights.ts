import { toHalf } from '../../../lib/engine/half.js';
import { GgmlType, type Ggml } from '../native/ggml.js';
import type { TensorInput } from '../../gguf/writer.js';

/** One tensor of random weights. */
export interface RandomTensor {
  readonly name: string;
  readonly type: number;
  readonly shape: readonly number[];
  readonly deviation: number;
  readonly mean: number;
}

/** Elements that are made and quantised at once. */
const PART = 1 << 16;

/**
 * A tensor whose elements follow a triangular distribution: near enough to the normal one for a test, and
 * hundreds of millions of them take seconds.
 */
export function randomTensor(ggml: Ggml, seed: number, tensor: RandomTensor): TensorInput {
  const [width = 1, ...others] = tensor.shape;
  const rows = others.reduce((product, length) => product * length, 1);
  const rowBytes = ggml.rowSize(tensor.type, width);
  return {
    name: tensor.name,
    type: tensor.type,
    shape: tensor.shape,
    bytes: rows * rowBytes,
    *parts() {
      const random = new RandomBits(seed);
      const most = Math.max(1, Math.floor(PART / width));
      const floats = new Float32Array(most * width);
      const bytes = new Uint8Array(most * rowBytes);
      for (let row = 0; row < rows; row += most) {
        const count = Math.min(most, rows - row);
        if (tensor.type === GgmlType.Q4_K) {
          fillQ4K(random, bytes.subarray(0, count * rowBytes), tensor.deviation);
          yield bytes.subarray(0, count * rowBytes);
          continue;
        }
        random.fill(floats.subarray(0, count * width), tensor.mean, tensor.deviation);
        ggml.quantizeChunk(tensor.type, floats, bytes, 0, count, width, null);
        yield bytes.subarray(0, count * rowBytes);
      }
    },
  };
}

/** Bytes of a q4_K block: two f16 factors, eight 6-bit scales and offsets, 256 numbers of 4 bits. */
const Q4K_BLOCK = 144;
/** Root mean square of `scale * (number - 7.5)` for scales in [16, 64) and numbers in [0, 16). */
const Q4K_SPREAD = 41.9 * 4.61;

/**
 * Random q4_K blocks, since the quantiser takes 70 ns for each element. An element is
 * `factor * scale * number - offsetFactor * offset`; offsets equal the scales, so its mean is 0.
 */
function fillQ4K(random: RandomBits, bytes: Uint8Array, deviation: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const factor = deviation / Q4K_SPREAD;
  const d = toHalf(factor);
  const dMin = toHalf(7.5 * factor);
  for (let block = 0; block < bytes.length; block += Q4K_BLOCK) {
    view.setUint16(block, d, true);
    view.setUint16(block + 2, dMin, true);
    for (let i = 0; i < 4; i++) {
      const bits = random.next();
      const low = 16 + ((bits & 0xff) * 48) / 256;
      const high = 16 + (((bits >>> 8) & 0xff) * 48) / 256;
      bytes[block + 4 + i] = (low & 63) | ((high >> 4) << 6);
      bytes[block + 8 + i] = (low & 63) | ((high >> 4) << 6);
      bytes[block + 12 + i] = (high & 15) | ((high & 15) << 4);
    }
    for (let i = 16; i < Q4K_BLOCK; i += 4) view.setUint32(block + i, random.next() >>> 0, true);
  }
}

/** Marsaglia's xorshift generator of 32 bits. */
class RandomBits {
  #state: number;

  constructor(seed: number) {
    // Spread, so that tensors of neighbouring seeds share nothing; the state must not be 0.
    this.#state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) | 0 || 1;
    for (let i = 0; i < 16; i++) this.next();
  }

  fill(target: Float32Array, mean: number, deviation: number): void {
    // The sum of two uniform 16-bit numbers has the variance (2^16)^2 / 6.
    const scale = (deviation * Math.sqrt(6)) / 65536;
    for (let i = 0; i < target.length; i++) {
      const bits = this.next();
      target[i] = mean + ((bits & 0xffff) + (bits >>> 16) - 65535) * scale;
    }
  }

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x;
  }
}
