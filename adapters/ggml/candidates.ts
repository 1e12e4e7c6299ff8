import { InvalidArgumentError } from '../../lib/errors.js';
import type { Koffi } from './native/koffi.js';

/** A `llama_token_data`: token, logit, probability. */
const BYTES = 12;
const WORDS = BYTES / 4;
/** A `llama_token_data_array`: address, size, index of the selected one, whether sorted. */
const ARRAY_BYTES = 32;

/** Tokens and their logits in the layout of libllama's samplers, which sort and shorten them in place. */
export class Candidates {
  readonly #koffi: Koffi;
  readonly #tokens: Int32Array;
  readonly #logits: Float32Array;
  readonly #address: bigint;

  constructor(koffi: Koffi, size: number) {
    // Memory of its own, whose address never changes.
    const memory = new ArrayBuffer(Math.max(size * BYTES, 1024));
    this.#koffi = koffi;
    this.#tokens = new Int32Array(memory);
    this.#logits = new Float32Array(memory);
    this.#address = koffi.address(this.#tokens);
  }

  /** @throws InvalidArgumentError for logits that no model gives: NaN or positive infinity. */
  fill(logits: Float32Array): void {
    for (let i = 0, at = 0; i < logits.length; i++, at += WORDS) {
      const logit = logits[i] as number;
      if (!(logit < Number.POSITIVE_INFINITY)) refuse(i, logit);
      this.#tokens[at] = i;
      this.#logits[at + 1] = logit;
      this.#logits[at + 2] = 0;
    }
  }

  set(index: number, token: number, logit: number): void {
    this.#tokens[index * WORDS] = token;
    this.#logits[index * WORDS + 1] = logit;
  }

  logit(index: number): number {
    return this.#logits[index * WORDS + 1] as number;
  }

  /** A `llama_token_data_array` of the candidates from `from` up to `to`. */
  array(from: number, to: number): Uint8Array {
    const view = new DataView(new ArrayBuffer(ARRAY_BYTES));
    view.setBigUint64(0, this.#address + BigInt(from * BYTES), true);
    view.setBigUint64(8, BigInt(to - from), true);
    view.setBigInt64(16, -1n, true);
    return new Uint8Array(view.buffer);
  }

  /** The token that a sampler has selected. */
  selected(array: Uint8Array): number {
    const view = new DataView(array.buffer);
    const data = view.getBigUint64(0, true);
    const index = view.getBigInt64(16, true);
    if (index < 0n) throw new Error('the sampler selected nothing');
    // Samplers may move the candidates into memory of their own.
    if (data !== this.#address) {
      return this.#koffi.decode(data + index * BigInt(BYTES), 'int32_t') as number;
    }
    return this.#tokens[Number(index) * WORDS] as number;
  }
}

/**
 * Index of the largest logit, the first of several.
 * @throws InvalidArgumentError for NaN or infinite logits.
 */
export function indexOfLargest(logits: Float32Array): number {
  let best = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (!(logit < Number.POSITIVE_INFINITY)) refuse(i, logit);
    if (logit > most) {
      most = logit;
      best = i;
    }
  }
  if (most === Number.NEGATIVE_INFINITY) refuse(best, most);
  return best;
}

function refuse(token: number, logit: number): never {
  throw new InvalidArgumentError(
    `The logit of token ${token} is ${logit}. The model file may be damaged; load it again or take another one.`,
  );
}
