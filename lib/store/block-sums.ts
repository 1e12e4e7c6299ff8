/** Bytes that are summed together, so that a check costs some 20 µs however large the record is. */
const blockBytes = 2 ** 16;

/** A number that tells bytes from others. */
export type ByteSum = (bytes: Uint8Array) => number;

/** Sums of a record's bytes, block by block, and the block that is checked next. */
export class BlockSums {
  readonly #data: Uint8Array;
  readonly #sum: ByteSum;
  readonly #sums: readonly number[];
  #next = 0;

  constructor(data: Uint8Array, sum: ByteSum) {
    this.#data = data;
    this.#sum = sum;
    const blocks = Math.ceil(data.byteLength / blockBytes);
    this.#sums = Array.from({ length: blocks }, (_, block) => sum(this.#block(block)));
  }

  /** Sums one block again, each in its turn. False where it is not what it was. */
  check(): boolean {
    const block = this.#next;
    this.#next = (block + 1) % this.#sums.length;
    return this.#sum(this.#block(block)) === this.#sums[block];
  }

  #block(block: number): Uint8Array {
    return this.#data.subarray(block * blockBytes, (block + 1) * blockBytes);
  }
}

/**
 * Sums words of 32 bits in four lanes, each by steps that no two words lead through alike, so that any change within
 * one word is seen, and others with the odds of 32 bits. Guards against accidents, not against people.
 */
export function wordSum(bytes: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = bytes;
  const words = byteLength >> 2;
  const view =
    byteOffset % 4 === 0
      ? new Int32Array(buffer, byteOffset, words)
      : new Int32Array(bytes.slice(0, 4 * words).buffer);
  // Far from small words: what begins at 1 and meets a 1 would begin at 0.
  let a = 0x165667b1;
  let b = 0x61c88647;
  let c = 0x3c6ef372;
  let d = 0x5be0cd19;
  let at = 0;
  for (; at + 3 < words; at += 4) {
    a = Math.imul(a ^ (view[at] as number), 0x9e3779b1);
    b = Math.imul(b ^ (view[at + 1] as number), 0x85ebca77);
    c = Math.imul(c ^ (view[at + 2] as number), 0xc2b2ae3d);
    d = Math.imul(d ^ (view[at + 3] as number), 0x27d4eb2f);
    // Otherwise what is high in a word would never reach what is low.
    a ^= a >>> 15;
    b ^= b >>> 15;
    c ^= c >>> 15;
    d ^= d >>> 15;
  }
  for (; at < words; at++) a = Math.imul(a ^ (view[at] as number), 0x9e3779b1);
  for (let i = 4 * words; i < byteLength; i++) a = Math.imul(a ^ (bytes[i] as number), 0x9e3779b1);
  let sum = Math.imul(byteLength + 1, 0x85ebca77);
  for (const lane of [a, b, c, d]) {
    sum = Math.imul(sum ^ lane, 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  return sum;
}
