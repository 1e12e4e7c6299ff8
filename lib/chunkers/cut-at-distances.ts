import type { Units } from './units.js';

/**
 * Units that begin chunks: between neighbours that are farther apart than `threshold`, and where a run is longer than
 * `maxTokens`, at its own largest distance until its parts fit.
 *
 * @param distances `distances[i]` lies between the units `i` and `i + 1`
 */
export function cutAtDistances(
  { starts, size }: Pick<Units, 'starts' | 'size'>,
  distances: Float64Array,
  threshold: number,
  maxTokens: number,
): number[] {
  const borders: number[] = [];
  let first = 0;
  for (let unit = 1; unit <= size; unit++) {
    if (unit < size && !((distances[unit - 1] as number) > threshold)) continue;
    borders.push(...fitting(starts, distances, first, unit, maxTokens));
    first = unit;
  }
  return borders;
}

/** Units that begin chunks of `[from, to)` that fit, cut at the largest distances. */
function fitting(
  starts: Int32Array,
  distances: Float64Array,
  from: number,
  to: number,
  maxTokens: number,
): number[] {
  const borders: number[] = [];
  const runs = [{ from, to }];
  for (let run = runs.pop(); run; run = runs.pop()) {
    if ((starts[run.to] as number) - (starts[run.from] as number) <= maxTokens) {
      borders.push(run.from);
      continue;
    }
    let at = run.from + 1;
    for (let unit = at; unit < run.to; unit++) {
      if ((distances[unit - 1] as number) > (distances[at - 1] as number)) at = unit;
    }
    runs.push({ from: at, to: run.to }, { from: run.from, to: at });
  }
  return borders;
}
