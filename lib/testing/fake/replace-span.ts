import type { Span } from '../../engine/arena.js';
import type { Entries } from './entries.js';
import { checkPosition } from './validate.js';

/**
 * Puts `count` empty entries in place of a span. With `close`, entries at positions after the span move by
 * the change of length. When `fill` fails, all is as it was.
 *
 * @param fill Fills the new entries; gets the position of the first one.
 */
export async function replaceSpan(
  entries: Entries,
  span: Span,
  count: number,
  close: boolean,
  fill: (position: number) => Promise<void>,
): Promise<void> {
  const { cells } = entries;
  const { start, end } = span;
  const positions = entries.list.map((cell) => cells.position[cell] as number);
  const dropped = positions.slice(start, end);
  const first = start < entries.length ? (positions[start] as number) : entries.nextPosition;
  // What follows, follows in position; an insertion pushes its successor away too.
  const last = dropped.reduce((highest, position) => Math.max(highest, position), first - 1);
  const by = close ? count - (end - start) : 0;
  const followers =
    by === 0
      ? []
      : positions.flatMap((position, entry) =>
          position > last && (entry < start || entry >= end) ? [entry] : [],
        );
  for (const entry of followers) checkPosition((positions[entry] as number) + by);
  checkPosition(first + Math.max(0, count - 1));

  cells.reserve(count + entries.shared(followers));
  const before = entries.list.slice(start, end);
  const shift = (distance: number, numbers: readonly number[]): void => {
    for (const entry of numbers) {
      const cell = entries.own(entry);
      cells.position[cell] = (cells.position[cell] as number) + distance;
    }
  };
  shift(by, followers);
  const fresh = cells.take(count);
  entries.list.splice(start, end - start, ...fresh);
  try {
    await fill(first);
    cells.release(before);
  } catch (error) {
    entries.list.splice(start, count, ...before);
    cells.release(fresh);
    shift(-by, followers);
    throw error;
  }
}
