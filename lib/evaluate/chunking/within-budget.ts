/**
 * The first of `ranked` that fit a budget together: it ends before the first that does not. So chunkings with chunks of
 * different sizes are held against each other at equal cost.
 *
 * @param ranked best first
 * @param cost of one, for example its tokens
 */
export function withinBudget<T>(
  ranked: readonly T[],
  budget: number,
  cost: (item: T) => number,
): T[] {
  let spent = 0;
  const end = ranked.findIndex((item) => (spent += cost(item)) > budget);
  return end < 0 ? [...ranked] : ranked.slice(0, end);
}
