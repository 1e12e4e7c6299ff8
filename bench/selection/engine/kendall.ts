/**
 * Kendall's rank correlation tau-b, in [-1, 1]: pairs in the same order less pairs in opposite order, ties of either side taken
 * account of. NaN where one side has no two different values.
 *
 * @param least pairs whose `b` differ by no more than that do not count; default 0: all count
 */
export function kendall(a: ArrayLike<number>, b: ArrayLike<number>, least = 0): number {
  let [agree, untiedA, untiedB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      if (least > 0 && Math.abs((b[i] as number) - (b[j] as number)) <= least) continue;
      const x = Math.sign((a[i] as number) - (a[j] as number));
      const y = Math.sign((b[i] as number) - (b[j] as number));
      agree += x * y;
      untiedA += Math.abs(x);
      untiedB += Math.abs(y);
    }
  }
  return agree / Math.sqrt(untiedA * untiedB);
}

/** Share of pairs of one value each in which the first is larger, ties counting half: the area under the ROC curve. */
export function areaUnderRoc(positives: readonly number[], negatives: readonly number[]): number {
  let above = 0;
  for (const positive of positives) {
    for (const negative of negatives) above += (Math.sign(positive - negative) + 1) / 2;
  }
  return above / (positives.length * negatives.length);
}
