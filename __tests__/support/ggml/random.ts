/** Numbers in [0, 1), the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A copy of `bytes` with one to three bytes among the first `end` changed. */
export function damage(bytes: Uint8Array, end: number, seed: number): Uint8Array {
  const random = randomNumbers(seed);
  const copy = Uint8Array.from(bytes);
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) {
    const at = Math.floor(random() * end);
    copy[at] =
      random() < 0.5
        ? (copy[at] as number) ^ (1 << Math.floor(random() * 8))
        : Math.floor(random() * 256);
  }
  return copy;
}
