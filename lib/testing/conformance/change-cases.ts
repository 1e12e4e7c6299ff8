import type { KvSequence } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { ChunkKv } from '../../engine/chunk-kv.js';
import type { ChangeResult } from '../../engine/forward.js';
import { defined, equal, ok, sameNumbers } from './assert.js';
import { keysOf, valuesOf } from './compare.js';
import { concat, type ConformanceCase, type Lab, numbers, span } from './lab.js';

/** How refreshed rows differ from what their cells held, on average over spans. */
export const changeCases: readonly ConformanceCase[] = [
  {
    name: 'changes are means of what was computed minus what was held, over spans',
    run: async (lab) => {
      const { sequence, place } = await spliced(lab, 20);
      const before = await lab.capture(sequence);
      const at = place.start;
      const entries = Int32Array.of(at + 9, at, at + 19, at + 2, at + 5, at + 1, at + 13, at + 4);
      const spans = [
        span(2, 6),
        span(at, at + 4),
        span(at + 4, at + 5),
        span(at + 5, at + 5),
        span(at + 6, at + 9),
        span(at + 9, at + 15),
      ];
      // What shares its cells holds what it held, and the change is against that.
      const run = sequence.fork();
      const result = await lab.arena.forward(
        [
          { kind: 'append', sequence: run, tokens: lab.tokens(3, 11) },
          { kind: 'refresh', sequence: run, entries },
        ],
        { change: { group: 1, spans } },
      );
      const after = await run.capture(span(0, before.tokens.length));
      const change = defined(result.change, 'change');
      sameNumbers(change.rows, [0, 3, 1, 0, 0, 2], 'rows of the spans');
      equal(change.layers.from, 0, 'first layer');
      equal(change.layers.to, lab.layers, 'last layer');
      sameChange(lab, change, { before, after, spans, entries });
      lab.sameKv(await lab.capture(sequence), before, 'KV of what shares the cells');
      sameNumbers(
        defined((await sequence.refresh(entries, { change: { group: 0, spans } })).change, 'change')
          .rows,
        change.rows,
        'rows of a refresh alone',
      );
    },
  },
  {
    name: 'the change of one group is not that of another',
    run: async (lab) => {
      const { sequence, place } = await spliced(lab, 12);
      const { sequence: other } = await lab.prefill(lab.tokens(30, 12));
      await other.splice(await sequence.capture(span(3, 9)));
      const before = await lab.capture(sequence);
      const entries = Int32Array.of(place.start + 7, place.start + 1, place.start + 6);
      const spans = [span(0, place.start + 2), span(place.start + 2, place.end)];
      const { change } = await lab.arena.forward(
        [
          { kind: 'refresh', sequence: other, entries: numbers(20, 36) },
          { kind: 'refresh', sequence, entries },
          { kind: 'refresh', sequence, entries: Int32Array.of(place.start + 8) },
        ],
        { change: { group: 1, spans } },
      );
      const after = await lab.capture(sequence);
      sameNumbers(defined(change, 'change').rows, [1, 2], 'rows of the spans');
      sameChange(lab, defined(change, 'change'), { before, after, spans, entries });
    },
  },
  {
    name: 'a stepped pass measures the change of the layers of each step, over the rows that are left',
    run: async (lab) => {
      const { layers } = lab;
      if (layers < 2) return;
      const border = Math.ceil(layers / 2);
      const { sequence, place } = await spliced(lab, 16);
      const before = await lab.capture(sequence);
      const entries = numbers(place.start + 2, place.start + 14);
      const spans = [
        span(place.start, place.start + 6),
        span(place.start + 6, place.start + 10),
        span(place.start + 10, place.end),
      ];
      const change = { group: 0, spans };
      const pass = await lab.arena.begin([
        { kind: 'refresh', sequence, entries },
        { kind: 'append', sequence, tokens: lab.tokens(3, 13) },
      ]);
      const low = defined((await pass.advance(border, { change })).change, 'change');
      // None of the second span goes on.
      const left = Int32Array.of(1, 3, 9, 10, 11);
      pass.keep(concat(left, numbers(12, 15)));
      const high = defined((await pass.finish({ change })).change, 'change');
      const after = await sequence.capture(span(0, before.tokens.length));
      equal(low.layers.from, 0, 'first layer of the first step');
      equal(low.layers.to, border, 'end of the first step');
      equal(high.layers.from, border, 'first layer of the last step');
      equal(high.layers.to, layers, 'end of the last step');
      sameNumbers(low.rows, [4, 4, 4], 'rows of the first step');
      sameNumbers(high.rows, [2, 0, 3], 'rows of the last step');
      sameChange(lab, low, { before, after, spans, entries });
      const kept = left.map((row) => entries[row] as number);
      sameChange(lab, high, { before, after, spans, entries: kept });
    },
  },
  {
    name: 'what is computed again as it was has not changed',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(24, 14));
      const before = await lab.capture(sequence);
      const spans = [span(0, 10), span(10, 24)];
      const result = await sequence.refresh(span(4, 24), { change: { group: 0, spans } });
      const change = defined(result.change, 'change');
      const entries = numbers(4, 24);
      sameNumbers(change.rows, [6, 14], 'rows of the spans');
      sameChange(lab, change, { before, after: before, spans, entries });
    },
  },
  {
    name: 'changes over no span, or of no row, are no numbers or zeros',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(12, 15));
      const { change: none } = await sequence.refresh(span(2, 6), {
        change: { group: 0, spans: [] },
      });
      equal(defined(none, 'change over no span').rows.length, 0, 'spans');
      equal(none?.keys.length, 0, 'numbers of keys');
      equal(none?.values.length, 0, 'numbers of values');
      const spans = [span(0, 5), span(5, 12)];
      const { change } = await lab.arena.forward(
        [
          { kind: 'append', sequence, tokens: lab.tokens(2, 16) },
          { kind: 'refresh', sequence, entries: new Int32Array() },
        ],
        { change: { group: 1, spans } },
      );
      sameNumbers(defined(change, 'change of no row').rows, [0, 0], 'rows');
      const { kv } = lab.engine.model;
      const sizes = [kv.keyWidth, kv.valueWidth].map((width) => lab.layers * 2 * width);
      sameNumbers([change?.keys.length ?? 0, change?.values.length ?? 0], sizes, 'numbers');
      ok(!change?.keys.some((value) => value !== 0), 'no row, but keys changed');
      ok(!change?.values.some((value) => value !== 0), 'no row, but values changed');
    },
  },
];

/** A prefix and some context, and a chunk after them that did not see the context. */
async function spliced(
  lab: Lab,
  size: number,
): Promise<{ readonly sequence: KvSequence; readonly place: Span }> {
  const prefix = lab.tokens(10, 1);
  const { sequence } = await lab.prefill(concat(prefix, lab.tokens(14, 2)));
  const place = await sequence.splice(await lab.encode(prefix, lab.tokens(size, 3)));
  return { sequence, place };
}

interface Expected {
  /** KV of the sequence from entry 0. */
  readonly before: ChunkKv;
  readonly after: ChunkKv;
  readonly spans: readonly Span[];
  /** Those that were computed. */
  readonly entries: Int32Array;
}

/** Checks means against KV that was captured before and after. */
function sameChange(lab: Lab, change: ChangeResult, expected: Expected): void {
  const { before, after, spans, entries } = expected;
  const tokens = before.tokens.length;
  for (const [what, actual, of] of [
    ['keys', change.keys, keysOf],
    ['values', change.values, valuesOf],
  ] as const) {
    const { from, to } = change.layers;
    const width = of(before, 0).length / tokens;
    equal(actual.length, (to - from) * spans.length * width, `number of ${what}`);
    for (let layer = from; layer < to; layer++) {
      const [old, fresh] = [of(before, layer), of(after, layer)];
      for (const [number, { start, end }] of spans.entries()) {
        const at = ((layer - from) * spans.length + number) * width;
        const got = actual.subarray(at, at + width);
        const rows = entries.filter((entry) => entry >= start && entry < end);
        const mean = new Float64Array(width);
        let scale = 0;
        for (const row of rows) {
          for (let i = 0; i < width; i++) {
            const held = old[row * width + i] as number;
            const change = (fresh[row * width + i] as number) - held;
            mean[i] = (mean[i] as number) + change / rows.length;
            scale += held ** 2 / rows.length;
          }
        }
        const difference = length(mean.map((value, i) => value - (got[i] as number)));
        // A difference of f16 numbers is as exact as they are.
        const allowed = lab.tolerance.vectors * Math.sqrt(scale);
        ok(
          difference <= allowed,
          `${what} of [${start}, ${end}) in layer ${layer}: off by ${difference} of ${length(mean)}, allowed are ${allowed}`,
        );
      }
    }
  }
  const isChanged = after !== before && change.layers.to > 1;
  if (!isChanged || rowsOf(change) === 0) return;
  // Else a change of nothing would pass.
  const deep = change.layers.to - 1;
  const [held, moved] = [
    valuesOf(before, deep),
    change.values.slice(-change.values.length / (deep - change.layers.from + 1)),
  ];
  const perRow = length(held) / Math.sqrt(tokens);
  ok(
    length(moved) > 3 * lab.tolerance.vectors * perRow,
    `values of layer ${deep} changed by ${length(moved)} only, where they are ${perRow} long`,
  );
}

function rowsOf({ rows }: ChangeResult): number {
  return rows.reduce((sum, count) => sum + count, 0);
}

function length(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
  return Math.sqrt(sum);
}
