/** Scores of tokens, a list for each passage, and what is done to them before the highest are taken. */
export type Scores = readonly Float32Array[];

/** Each token gets the mean over itself and so many neighbours on each side, within its passage. */
export function smoothed(scores: Scores, neighbours: number): Scores {
  if (neighbours === 0) return scores;
  return scores.map((row) => {
    const out = new Float32Array(row.length);
    let sum = 0;
    let from = 0;
    let to = 0;
    for (let i = 0; i < row.length; i++) {
      while (to < Math.min(row.length, i + neighbours + 1)) sum += row[to++] as number;
      while (from < i - neighbours) sum -= row[from++] as number;
      out[i] = sum / (to - from);
    }
    return out;
  });
}

/** Divides by the mean of the passage, to the power of `evenness`: 0 leaves all as it is, 1 makes passages equal. */
export function evened(scores: Scores, evenness: number): Scores {
  if (evenness === 0) return scores;
  return scores.map((row) => {
    const mean = meanOf(row);
    return mean > 0 ? row.map((score) => score / mean ** evenness) : row;
  });
}

function meanOf(row: Float32Array): number {
  let sum = 0;
  for (const score of row) sum += score;
  return row.length > 0 ? sum / row.length : 0;
}
