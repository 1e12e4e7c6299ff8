/** Token ids that look random and are the same in every run; control tokens, at the low end, are left out. */
export function someTokens(count: number, vocabSize: number, seed = 1): Int32Array {
  let state = seed >>> 0 || 1;
  const low = Math.min(1000, vocabSize >> 2);
  return Int32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return low + ((state >>> 0) % (vocabSize - 2 * low));
  });
}

export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}
