import type { Steps } from '../pace.js';

export interface SegmentationProblem {
  /** First token of each unit, and at the end the number of tokens. */
  readonly starts: Int32Array;
  /** Most units of a segment. */
  readonly maxUnits: number;
  /** Fewer units than this only where nothing else is possible; default 1. */
  readonly minUnits?: number;
  readonly maxTokens: number;
  /** What the segment of the units `[from, to)` adds to the sum; higher is better. */
  score(from: number, to: number): number;
}

/** Worse than any sum of scores. */
const tooFew = 1e6;

/**
 * The segmentation with the highest sum of scores, exactly, by dynamic programming with back-pointers: `size * maxUnits`
 * scores are asked. Of equally good ones, the one whose last segments are the shortest.
 *
 * @returns the units that begin a segment
 */
export function* bestSegmentation(problem: SegmentationProblem): Steps<number[]> {
  const { starts, maxUnits, minUnits = 1, maxTokens } = problem;
  const size = starts.length - 1;
  const best = new Float64Array(size + 1);
  const back = new Int32Array(size + 1);
  for (let end = 1; end <= size; end++) {
    let highest = -Infinity;
    const earliest = Math.max(0, end - maxUnits);
    for (let from = end - 1; from >= earliest; from--) {
      const tokens = (starts[end] as number) - (starts[from] as number);
      if (tokens > maxTokens && from < end - 1) break;
      const penalty = end - from < minUnits ? tooFew : 0;
      const sum = (best[from] as number) + problem.score(from, end) - penalty;
      if (sum > highest) {
        highest = sum;
        back[end] = from;
      }
    }
    best[end] = highest;
    if ((end & 0x3f) === 0) yield end / size;
  }
  const borders: number[] = [];
  for (let end = size; end > 0;) {
    end = back[end] as number;
    borders.push(end);
  }
  return borders.toReversed();
}
