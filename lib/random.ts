/** Pseudo-random numbers that are the same in every run: uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** `length` normally distributed numbers with the given standard deviation. */
export function seededNormals(
  random: () => number,
  length: number,
  deviation: number,
): Float64Array {
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    values[i] = deviation * radius * Math.cos(2 * Math.PI * random());
  }
  return values;
}

/** An integer in `[0, below)`. */
export function seededInteger(random: () => number, below: number): number {
  return Math.floor(random() * below);
}
