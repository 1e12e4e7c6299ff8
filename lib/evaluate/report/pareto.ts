import type { Point } from '../statistics/curve.js';

/**
 * Points that no other one beats: none is at most as far in both directions and less in one. Ascending in x; of equal
 * points one stays.
 */
export function paretoFront<P extends Point>(points: readonly P[]): P[] {
  const front: P[] = [];
  let least = Infinity;
  for (const point of [...points].sort((a, b) => a.x - b.x || a.y - b.y)) {
    if (point.y >= least) continue;
    least = point.y;
    front.push(point);
  }
  return front;
}
