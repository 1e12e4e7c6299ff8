/**
 * The `x` of at least 0 that makes `x'Ax/2 - b'x` smallest, for a small symmetric positive semi-definite `A`:
 * every choice of entries that are not 0 is tried.
 */
export function solveNonNegative(
  a: readonly (readonly number[])[],
  b: readonly number[],
): number[] {
  const size = b.length;
  let best = Array.from({ length: size }, () => 0);
  let least = 0;
  for (let choice = 1; choice < 2 ** size; choice++) {
    const free = best.map((_, j) => j).filter((j) => choice & (1 << j));
    const solved = solve(
      free.map((j) => free.map((k) => a[j]?.[k] ?? 0)),
      free.map((j) => b[j] ?? 0),
    );
    if (!solved?.every((value) => value >= 0)) continue;
    // At a solution of Ax = b the objective is -b'x/2.
    const objective = -free.reduce((sum, j, at) => sum + (b[j] ?? 0) * (solved[at] ?? 0), 0) / 2;
    if (objective >= least) continue;
    least = objective;
    best = best.map((_, j) => solved[free.indexOf(j)] ?? 0);
  }
  return best;
}

/** Gaussian elimination with pivots; undefined where there is no single solution. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] | undefined {
  const rows = a.map((row, j) => [...row, b[j] ?? 0]);
  const size = rows.length;
  for (let at = 0; at < size; at++) {
    let pivot = at;
    for (let j = at + 1; j < size; j++) {
      if (Math.abs(rows[j]?.[at] ?? 0) > Math.abs(rows[pivot]?.[at] ?? 0)) pivot = j;
    }
    const row = rows[pivot] as number[];
    rows[pivot] = rows[at] as number[];
    rows[at] = row;
    const head = row[at] as number;
    if (!(Math.abs(head) > 1e-12)) return undefined;
    for (let j = 0; j < size; j++) {
      if (j === at) continue;
      const other = rows[j] as number[];
      const factor = (other[at] as number) / head;
      for (let k = at; k <= size; k++)
        other[k] = (other[k] as number) - factor * (row[k] as number);
    }
  }
  return rows.map((row, j) => (row[size] as number) / (row[j] as number));
}
