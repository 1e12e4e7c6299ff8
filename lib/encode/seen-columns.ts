import type { Span } from '../engine/span.js';
import type { GroupAttention } from '../engine/forward.js';
import type { StatisticsInput } from './statistics.js';

/** A chunk, or what of it is seen: its number, and the entries of the sequence that hold it. */
export interface SeenSpan {
  readonly chunk: number;
  readonly entries: Span;
}

/** Chunks that rows may have seen, each of one or several spans, in order. */
export interface SeenChunk {
  readonly chunk: number;
  readonly tokens: number;
  readonly entries: readonly Span[];
}

/** Masses of rows on chunks: `[layers][rows][seen]`. */
export interface SeenColumns {
  readonly bySpan: Float32Array;
  readonly layers: readonly number[];
  readonly seen: readonly SeenChunk[];
}

/** One column a span. */
export function spanColumns(
  bySpan: Float32Array,
  layers: readonly number[],
  seen: readonly SeenSpan[],
): SeenColumns {
  return { bySpan, layers, seen: seen.map((one) => chunkOf([one])) };
}

/** Masses on chunks of several spans, `[start, end)` of their numbers, from those on the spans. */
export function joinedColumns(
  bySpan: Float32Array,
  layers: readonly number[],
  spans: readonly SeenSpan[],
  groups: readonly Span[],
): SeenColumns {
  const first = spans[0]?.chunk ?? 0;
  const rows = bySpan.length / spans.length;
  const masses = new Float32Array(rows * groups.length);
  for (let row = 0; row < rows; row++) {
    for (const [column, { start, end }] of groups.entries()) {
      let mass = 0;
      for (let i = start; i < end; i++) mass += bySpan[row * spans.length + i - first] as number;
      masses[row * groups.length + column] = mass;
    }
  }
  const seen = groups.map(({ start, end }) => chunkOf(spans.slice(start - first, end - first)));
  return { bySpan: masses, layers, seen };
}

/**
 * A chunk's own rows, then those of tokens that were computed behind it: what they gave to it and to each other is the
 * chunk's own.
 *
 * @param rows of the chunk, `[start, end)`
 */
export function withSuffixRows(
  { bySpan, layers, seen }: SeenColumns,
  rows: Span,
  chunk: number,
  suffix: readonly GroupAttention[],
): Pick<StatisticsInput, 'bySpan' | 'rows'> {
  const columns = seen.length;
  const allRows = bySpan.length / Math.max(1, layers.length * columns);
  const own = rows.end - rows.start;
  const count = own + suffix.length;
  const masses = new Float32Array(layers.length * count * columns);
  for (let layer = 0; layer < layers.length; layer++) {
    const from = (layer * allRows + rows.start) * columns;
    masses.set(bySpan.subarray(from, from + own * columns), layer * count * columns);
    for (const [i, { byEntry }] of suffix.entries()) {
      const entries = byEntry.length / layers.length;
      const row = byEntry.subarray(layer * entries, (layer + 1) * entries);
      const at = (layer * count + own + i) * columns;
      for (const [column, one] of seen.entries()) {
        if (one.chunk > chunk) break;
        const spans = one.chunk < chunk ? one.entries : [toEnd(one.entries, entries)];
        for (const { start, end } of spans) {
          for (let entry = start; entry < end; entry++) {
            (masses[at + column] as number) += row[entry] as number;
          }
        }
      }
    }
  }
  return { bySpan: masses, rows: { start: 0, end: count } };
}

function toEnd(entries: readonly Span[], end: number): Span {
  return { start: entries[0]?.start ?? end, end };
}

function chunkOf(spans: readonly SeenSpan[]): SeenChunk {
  const entries = spans.map((one) => one.entries);
  const tokens = entries.reduce((sum, { start, end }) => sum + end - start, 0);
  return { chunk: spans[0]?.chunk ?? 0, tokens, entries };
}
