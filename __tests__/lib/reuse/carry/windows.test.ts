import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Span } from '../../../../lib/engine/span.js';
import type { ChangeResult } from '../../../../lib/engine/forward.js';
import { seededRandom } from '../../../../lib/random.js';
import { shiftCarry } from '../../../../lib/reuse/carry/shift.js';
import { runAtOnce } from '../../../../lib/pace.js';
import { correctionOf, windowsOf } from '../../../../lib/reuse/carry/windows.js';

const numbers = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i);

test('a passage is one window, and its other tokens move along', () => {
  const spans = [
    { start: 5, end: 9 },
    { start: 9, end: 12 },
  ];
  const windows = windowsOf({}, spans, Int32Array.of(6, 7));
  expect(windows.spans).toEqual([{ start: 5, end: 9 }]);
  expect(windows.passage).toEqual([0]);
  expect([...windows.entries]).toEqual([5, 8]);
  expect([...windows.of]).toEqual([0, 0]);
});

test('windows divide each passage from its start, the last one being what is left', () => {
  const spans = [
    { start: 2, end: 9 },
    { start: 9, end: 10 },
    { start: 12, end: 16 },
  ];
  const windows = windowsOf({ window: 3 }, spans, Int32Array.of(4, 12, 13, 14));
  expect(windows.spans).toEqual([
    { start: 2, end: 5 },
    { start: 5, end: 8 },
    { start: 8, end: 9 },
    { start: 12, end: 15 },
    { start: 15, end: 16 },
  ]);
  expect(windows.passage).toEqual([0, 0, 0, 2, 2]);
  expect([...windows.entries]).toEqual([2, 3, 5, 6, 7, 8, 15]);
  expect([...windows.of]).toEqual([0, 0, 1, 1, 1, 2, 4]);
});

test('nothing is computed again, nothing moves', () => {
  const windows = windowsOf({ window: 2 }, [{ start: 0, end: 9 }], new Int32Array());
  expect(windows).toEqual({
    spans: [],
    passage: [],
    entries: new Int32Array(),
    of: new Int32Array(),
  });
});

test('half-lives count by the distance of middles, and rows by their number', () => {
  // Windows of four: middles 2, 6, 10; the middle one has no rows.
  const windows = windowsOf({ window: 4 }, [{ start: 0, end: 12 }], Int32Array.of(0, 8, 9, 10));
  const change: ChangeResult = {
    layers: { from: 3, to: 4 },
    rows: Int32Array.of(1, 0, 3),
    keys: Float32Array.of(1, 0, 0, 0, 0, 1),
    values: Float32Array.of(8, 0, -8),
  };
  const correction = runAtOnce(
    correctionOf({ strength: 0.5, halfLife: 4, reason: '' }, windows, change),
  );
  expect(correction.layers).toEqual({ from: 3, to: 4 });
  expect(correction.of).toBe(windows.of);
  // From middle 2: weights 1 and 3/4. From middle 6: 1 and 3. From middle 10: 1/4 and 3.
  const shares = [
    [1 / 1.75, 0.75 / 1.75],
    [1 / 4, 3 / 4],
    [0.25 / 3.25, 3 / 3.25],
  ];
  for (const [i, [first, last]] of shares.entries()) {
    expect(correction.keys![2 * i]).toBeCloseTo(0.5 * first!, 6);
    expect(correction.keys![2 * i + 1]).toBeCloseTo(0.5 * last!, 6);
    expect(correction.values![i]).toBeCloseTo(4 * (first! - last!), 5);
  }
});

/** Passages with gaps between them, some of whose entries are computed again. */
const scene = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 3 }),
      picks: fc.array(fc.boolean(), { maxLength: 14 }),
    }),
    { maxLength: 5 },
  )
  .map((parts) => {
    const spans: Span[] = [];
    const refreshed: number[] = [];
    let at = 0;
    for (const { gap, picks } of parts) {
      at += gap;
      spans.push({ start: at, end: at + picks.length });
      picks.forEach((picked, i) => picked && refreshed.push(at + i));
      at += picks.length;
    }
    return { spans, refreshed, length: at };
  });

test('each token that is not computed again is in the window that covers it', () => {
  fc.assert(
    fc.property(
      scene,
      fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }),
      ({ spans, refreshed }, window) => {
        const windows = windowsOf(
          window === undefined ? {} : { window },
          spans,
          Int32Array.from(refreshed),
        );
        const touched = spans.map(({ start, end }) =>
          refreshed.some((entry) => entry >= start && entry < end),
        );
        const moving = spans.flatMap(({ start, end }, i) =>
          touched[i] ? numbers(start, end).filter((entry) => !refreshed.includes(entry)) : [],
        );
        expect([...windows.entries]).toEqual(moving);
        for (const [i, entry] of windows.entries.entries()) {
          const { start, end } = windows.spans[windows.of[i]!]!;
          expect(entry >= start && entry < end).toBe(true);
        }
        // Windows cover each touched passage, and nothing else, without a gap.
        const covered = windows.spans.flatMap(({ start, end }) => numbers(start, end));
        expect(covered).toEqual(
          spans.flatMap(({ start, end }, i) => (touched[i] ? numbers(start, end) : [])),
        );
        for (const [i, { start, end }] of windows.spans.entries()) {
          const passage = spans[windows.passage[i]!]!;
          expect(start >= passage.start && end <= passage.end).toBe(true);
          const isLast = end === passage.end;
          if (window === undefined) expect({ start, end }).toEqual(passage);
          else if (isLast) expect(end - start).toBeLessThanOrEqual(window);
          else expect(end - start).toBe(window);
        }
      },
    ),
  );
});

/**
 * What each token gets, straight from the meaning: the mean over the rows of its passage that were computed, a row's
 * weight being 2 to the minus distance of the middles of the two windows over the half-life.
 */
function bruteForce(
  changes: ReadonlyMap<number, number>,
  passage: Span,
  entry: number,
  { window = Infinity, halfLife = Infinity }: { window?: number; halfLife?: number },
): number {
  const middle = (of: number): number => {
    if (window === Infinity) return (passage.start + passage.end) / 2;
    const start = passage.start + Math.floor((of - passage.start) / window) * window;
    return (start + Math.min(passage.end, start + window)) / 2;
  };
  let sum = 0;
  let weights = 0;
  for (const [row, change] of changes) {
    if (row < passage.start || row >= passage.end) continue;
    const weight = 2 ** (-Math.abs(middle(row) - middle(entry)) / halfLife);
    sum += weight * change;
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

test('corrections are weighted means of rows, as a brute force finds them', () => {
  fc.assert(
    fc.property(
      scene,
      fc.record(
        {
          window: fc.integer({ min: 1, max: 16 }),
          halfLife: fc.double({ min: 0.5, max: 40, noNaN: true }),
        },
        { requiredKeys: [] },
      ),
      fc.constantFrom(0.25, 1),
      fc.integer({ min: 1, max: 1e6 }),
      fc.boolean(),
      ({ spans, refreshed }, settings, strength, seed, narrowed) => {
        const carry = shiftCarry({ strength, ...settings });
        const windows = windowsOf(carry, spans, Int32Array.from(refreshed));
        const random = seededRandom(seed);
        // Some rows may have been left out below these layers.
        const live = refreshed.filter(() => !narrowed || random() < 0.5);
        const layers = { from: 2, to: 4 };
        const widths = { keys: 3, values: 1 };
        const changes = { keys: [], values: [] } as Record<
          'keys' | 'values',
          Map<number, number>[]
        >;
        const means = (part: 'keys' | 'values'): Float32Array => {
          const width = widths[part];
          const list = new Float32Array(2 * windows.spans.length * width);
          for (let layer = 0; layer < 2; layer++) {
            for (let i = 0; i < width; i++) {
              const change = new Map(live.map((row) => [row, random() - 0.3]));
              changes[part].push(change);
              for (const [w, { start, end }] of windows.spans.entries()) {
                const rows = live.filter((row) => row >= start && row < end);
                const sum = rows.reduce((total, row) => total + change.get(row)!, 0);
                list[(layer * windows.spans.length + w) * width + i] =
                  rows.length > 0 ? sum / rows.length : 0;
              }
            }
          }
          return list;
        };
        const change: ChangeResult = {
          layers,
          rows: Int32Array.from(
            windows.spans,
            ({ start, end }) => live.filter((row) => row >= start && row < end).length,
          ),
          keys: means('keys'),
          values: means('values'),
        };
        const correction = runAtOnce(correctionOf(carry, windows, change));
        expect(correction.layers).toEqual(layers);
        for (const part of ['keys', 'values'] as const) {
          const width = widths[part];
          const list = correction[part]!;
          expect(list).toHaveLength(2 * windows.spans.length * width);
          for (const [n, entry] of windows.entries.entries()) {
            const passage = spans[windows.passage[windows.of[n]!]!]!;
            for (let layer = 0; layer < 2; layer++) {
              for (let i = 0; i < width; i++) {
                const at = (layer * windows.spans.length + correction.of![n]!) * width + i;
                const expected =
                  strength *
                  bruteForce(changes[part][layer * width + i]!, passage, entry, settings);
                expect(list[at]).toBeCloseTo(expected, 5);
              }
            }
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('far from all rows a window gets what its nearest one changed by, not nothing', () => {
  const windows = windowsOf({ window: 1 }, [{ start: 0, end: 5000 }], Int32Array.of(0, 1));
  const rows = new Int32Array(5000);
  const means = new Float32Array(5000);
  rows.set([1, 1]);
  means.set([4, 6]);
  const change = { layers: { from: 0, to: 1 }, rows, keys: means, values: means };
  const { keys } = runAtOnce(
    correctionOf({ strength: 1, halfLife: 0.01, reason: '' }, windows, change),
  );
  expect(keys![4999]).toBeCloseTo(6, 5);
  expect(keys![2]).toBeCloseTo(6, 5);
});
