import type { KvCorrection } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { ChangeResult } from '../../engine/forward.js';
import { part, type Steps } from '../../pace.js';
import type { Carry } from './carry.js';

/** Stretches of passages, and the tokens in them that move along with others. */
export interface Windows {
  /** Entries of the sequence, in order. */
  readonly spans: readonly Span[];
  /** Number of the passage of each. */
  readonly passage: readonly number[];
  /** Entries that are not computed again, ascending, and the window of each. */
  readonly entries: Int32Array;
  readonly of: Int32Array;
}

/**
 * @param spans of the passages.
 * @param refreshed entries that are computed again, ascending; passages without any take no part.
 */
export function windowsOf(
  { window = Infinity }: Pick<Carry, 'window'>,
  spans: readonly Span[],
  refreshed: Int32Array,
): Windows {
  const windows: Span[] = [];
  const passage: number[] = [];
  const entries: number[] = [];
  const of: number[] = [];
  const computed = new Set(refreshed);
  for (const [number, { start, end }] of spans.entries()) {
    const isTouched = refreshed.some((entry) => entry >= start && entry < end);
    if (!isTouched) continue;
    for (let from = start; from < end; from += window) {
      const to = Math.min(end, from + window);
      for (let entry = from; entry < to; entry++) {
        if (computed.has(entry)) continue;
        entries.push(entry);
        of.push(windows.length);
      }
      windows.push({ start: from, end: to });
      passage.push(number);
    }
  }
  return { spans: windows, passage, entries: Int32Array.from(entries), of: Int32Array.from(of) };
}

/** What is added to the entries of windows: a vector for each window and layer. */
export function* correctionOf(
  { strength, halfLife }: Carry,
  windows: Windows,
  change: ChangeResult,
): Steps<KvCorrection> {
  const weights = yield* part(weightsOf(windows, change.rows, halfLife), 0, 0.2);
  const layers = change.layers.to - change.layers.from;
  const mix = function* (means: Float32Array): Steps<Float32Array> {
    const mixed = new Float32Array(means.length);
    const width = means.length / (layers * weights.length);
    for (let layer = 0; layer < layers; layer++) {
      for (const [target, sources] of weights.entries()) {
        const to = (layer * weights.length + target) * width;
        for (const { window, weight } of sources) {
          const from = (layer * weights.length + window) * width;
          const factor = strength * weight;
          for (let i = 0; i < width; i++) {
            (mixed[to + i] as number) += factor * (means[from + i] as number);
          }
        }
        if (target % 16 === 15) yield layer / layers;
      }
      yield (layer + 1) / layers;
    }
    return mixed;
  };
  return {
    layers: change.layers,
    keys: yield* part(mix(change.keys), 0.2, 0.6),
    values: yield* part(mix(change.values), 0.6, 1),
    of: windows.of,
  };
}

/** What one window counts for another. */
interface Source {
  readonly window: number;
  readonly weight: number;
}

/** For each window, what those of its passage count for it; the sum is 1, or 0 where none has rows. */
function* weightsOf(
  { spans, passage }: Windows,
  rows: Int32Array,
  halfLife = Infinity,
): Steps<Source[][]> {
  const middles = spans.map(({ start, end }) => (start + end) / 2);
  const weights: Source[][] = [];
  for (const target of spans.keys()) {
    const distanceTo = (window: number): number =>
      Math.abs((middles[window] as number) - (middles[target] as number));
    const known = [...spans.keys()].filter(
      (window) => passage[window] === passage[target] && (rows[window] as number) > 0,
    );
    // Counted from the nearest, weights never all vanish.
    const nearest = known.reduce((least, window) => Math.min(least, distanceTo(window)), Infinity);
    const sources = known.map((window) => ({
      window,
      weight: (rows[window] as number) * 2 ** ((nearest - distanceTo(window)) / halfLife),
    }));
    const total = sources.reduce((sum, { weight }) => sum + weight, 0);
    weights.push(sources.map(({ window, weight }) => ({ window, weight: weight / total })));
    yield (target + 1) / spans.length;
  }
  return weights;
}
