import type { Range } from '../chunking/ranges.js';

/** Units that are in one of the spans, each counted once. */
export function coveredLength(spans: readonly Range[]): number {
  let length = 0;
  let reached = -Infinity;
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    if (end <= reached || end <= start) continue;
    length += end - Math.max(start, reached);
    reached = end;
  }
  return length;
}

/** Units that are both in one of `a` and in one of `b`. */
export function sharedLength(a: readonly Range[], b: readonly Range[]): number {
  // Sizes of a union and of its parts: |A and B| = |A| + |B| - |A or B|.
  return coveredLength(a) + coveredLength(b) - coveredLength([...a, ...b]);
}
