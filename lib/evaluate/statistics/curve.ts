import { InvalidArgumentError } from '../../errors.js';

/** A point of a curve. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Area under straight lines between points, from one x to another, divided by their distance: the mean height. Beyond
 * its ends a curve goes on at the height that it has there.
 * @throws InvalidArgumentError without points, or when `to` is not above `from`
 */
export function meanHeight(points: readonly Point[], from: number, to: number): number {
  if (points.length === 0 || !(to > from)) {
    throw new InvalidArgumentError(
      `meanHeight: ${points.length} points from ${from} to ${to}; give some points and a range.`,
    );
  }
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const inner = sorted.filter(({ x }) => x > from && x < to);
  const corners = [
    { x: from, y: heightAt(sorted, from) },
    ...inner,
    { x: to, y: heightAt(sorted, to) },
  ];
  let area = 0;
  for (let i = 1; i < corners.length; i++) {
    const [a, b] = [corners[i - 1] as Point, corners[i] as Point];
    area += ((a.y + b.y) / 2) * (b.x - a.x);
  }
  return area / (to - from);
}

function heightAt(sorted: readonly Point[], x: number): number {
  const after = sorted.findIndex((point) => point.x >= x);
  if (after < 0) return (sorted.at(-1) as Point).y;
  const b = sorted[after] as Point;
  const a = sorted[after - 1];
  if (!a || b.x === x) return b.y;
  return a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}
