import type { Span } from '../../engine/span.js';
import type { Entries } from './entries.js';
import { checkPosition } from './validate.js';

/** Puts `count` entries in place of a span. When `fill` fails, all is as it was. */
export async function replaceSpan(options: {
  readonly entries: Entries;
  readonly span: Span;
  readonly count: number;
  /** Move what follows by the change of length. */
  readonly close: boolean;
  readonly contextLength: number;
  /** Fills the new entries; gets the position of the first one. */
  readonly fill?: (position: number) => Promise<void>;
}): Promise<void> {
  const { entries, span, count, contextLength } = options;
  const { cells } = entries;
  const { start, end } = span;
  const first = start < entries.length ? entries.position(start) : entries.nextPosition;
  const by = options.close ? count - roomOf(entries, span) : 0;
  const followers = by === 0 ? [] : Array.from({ length: entries.length - end }, (_, i) => end + i);
  for (const entry of followers) checkPosition(entries.position(entry) + by, contextLength);
  if (count > 0) checkPosition(first + count - 1, contextLength);

  cells.reserve(count + entries.shared(followers));
  const before = entries.list.slice(start, end);
  for (const entry of followers) {
    const cell = entries.own(entry);
    cells.position[cell] = (cells.position[cell] as number) + by;
  }
  const fresh = cells.take(count);
  entries.list.splice(start, end - start, ...fresh);
  try {
    await options.fill?.(first);
    cells.release(before);
  } catch (error) {
    entries.list.splice(start, count, ...before);
    cells.release(fresh);
    for (const entry of followers) {
      const cell = entries.own(entry);
      cells.position[cell] = (cells.position[cell] as number) - by;
    }
    throw error;
  }
}

/** Positions that a span takes up: as far as the entry that follows it. */
function roomOf(entries: Entries, { start, end }: Span): number {
  if (start === end) return 0;
  const next = end < entries.length ? entries.position(end) : entries.position(end - 1) + 1;
  return next - entries.position(start);
}
