/**
 * The `count` largest weights of several rows taken together: for each row, ascending indices. Of equal
 * weights the earlier ones win. A row that is `undefined` takes no part.
 */
export function heaviest(rows: readonly (Float32Array | undefined)[], count: number): Int32Array[] {
  let total = 0;
  for (const row of rows) total += row?.length ?? 0;
  const all = new Float32Array(total);
  let at = 0;
  for (const row of rows) {
    if (!row) continue;
    all.set(row, at);
    at += row.length;
  }
  const wanted = Math.max(0, Math.min(count, total));
  if (wanted === 0) return rows.map(() => new Int32Array(0));

  const threshold = all.sort()[total - wanted] as number;
  let above = 0;
  for (let i = total - 1; i >= 0 && (all[i] as number) > threshold; i--) above++;
  let ties = wanted - above;
  return rows.map((row) => {
    const picked = new Int32Array(row?.length ?? 0);
    let n = 0;
    for (let i = 0; i < picked.length; i++) {
      const weight = row?.[i] as number;
      if (weight > threshold || (weight === threshold && ties-- > 0)) picked[n++] = i;
    }
    return picked.slice(0, n);
  });
}
