import { assertPaired } from './bootstrap.js';
import { mean } from './summary.js';

/**
 * Spearman's rank correlation, in [-1, 1]: Pearson's of the ranks, equal values sharing the mean of theirs. NaN where
 * either side has fewer than two different values.
 * @throws InvalidArgumentError when there are not as many of both
 */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assertPaired(a, b);
  const [x, y] = [ranks(a), ranks(b)];
  // The same of both: ranks of n values add up to n (n + 1) / 2.
  const middle = mean(x);
  let [product, squaresX, squaresY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [(x[i] as number) - middle, (y[i] as number) - middle];
    product += dx * dy;
    squaresX += dx * dx;
    squaresY += dy * dy;
  }
  // Rounding may take perfect agreement just beyond.
  return Math.max(-1, Math.min(1, product / Math.sqrt(squaresX * squaresY)));
}

/** From 1 for the smallest; equal values share the mean of the ranks that they take up. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort(
    (i, j) => (values[i] as number) - (values[j] as number),
  );
  const found = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let at = from; at < to; at++) found[order[at] as number] = (from + 1 + to) / 2;
    from = to;
  }
  return found;
}
