import { defined, equal, ok, sameNumbers } from './assert.js';
import { keysOf, logSoftmax, sameVectors, valuesOf } from './compare.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Logits, losses, hidden states and deviations. */
export const outputCases: readonly ConformanceCase[] = [
  {
    name: 'logits of the rows asked for, in ascending order',
    run: async (lab) => {
      const tokens = lab.tokens(12, 1);
      const { result: all } = await lab.prefill(tokens, { logits: 'all' });
      sameNumbers(defined(all.logits, 'logits').rows, numbers(0, 12), 'all rows');
      const { result: some } = await lab.prefill(tokens, { logits: Int32Array.of(9, 0, 4) });
      sameNumbers(defined(some.logits, 'logits').rows, [0, 4, 9], 'some rows');
      [0, 4, 9].forEach((row, i) => lab.sameLogits(lab.row(some, i), lab.row(all, row), 'a row'));
      const { result: last } = await lab.prefill(tokens);
      sameNumbers(defined(last.logits, 'logits').rows, [11], 'the last row');
      const { result: none } = await lab.prefill(tokens, { logits: 'none' });
      ok(!none.logits || none.logits.rows.length === 0, 'logits that nobody wanted');
      ok(!none.losses && !none.attention && !none.hidden && !none.deviation, 'unasked results');
    },
  },
  {
    name: 'losses are those of the logits',
    run: async (lab) => {
      const { vocabSize } = lab.engine.model;
      const { sequence: a } = await lab.prefill(lab.tokens(5, 2));
      const b = lab.arena.createSequence();
      const [first, second] = [lab.tokens(9, 3), lab.tokens(7, 4)];
      const result = await lab.arena.forward(
        [
          { kind: 'append', sequence: a, tokens: first },
          { kind: 'refresh', sequence: a, entries: Int32Array.of(1) },
          { kind: 'append', sequence: b, tokens: second },
        ],
        { logits: 'all', losses: true },
      );
      const losses = defined(result.losses, 'losses');
      equal(losses.length, 17, 'number of losses');
      const targets = [...first.slice(1), -1, -1, ...second.slice(1), -1];
      targets.forEach((target, row) => {
        const loss = losses[row] as number;
        if (target < 0) {
          ok(Number.isNaN(loss), `the loss of row ${row} has no successor, but is ${loss}`);
          return;
        }
        const expected = -(logSoftmax(lab.row(result, row))[target] as number);
        ok(Math.abs(loss - expected) < 1e-3 + 1e-3 * expected, `loss ${loss}, not ${expected}`);
      });
      equal(lab.row(result, 0).length, vocabSize, 'length of a row');
    },
  },
  {
    name: 'losses without logits',
    run: async (lab) => {
      const tokens = lab.tokens(10, 5);
      const { result } = await lab.prefill(tokens, { logits: 'none', losses: true });
      const { result: full } = await lab.prefill(tokens, { logits: 'all', losses: true });
      ok(!result.logits || result.logits.rows.length === 0, 'logits that nobody wanted');
      sameVectors(
        defined(result.losses, 'losses').slice(0, 9),
        defined(full.losses, 'losses').slice(0, 9),
        Math.max(lab.tolerance.vectors, 1e-4),
        'losses',
      );
    },
  },
  {
    name: 'pooled hidden states are means of the rows',
    run: async (lab) => {
      const { width } = lab.engine.model;
      const layers = lab.layers > 1 ? [0, lab.layers - 1] : [0];
      const tokens = lab.tokens(14, 6);
      const { result: rows } = await lab.prefill(tokens, { hidden: { layers } });
      const states = defined(rows.hidden, 'hidden');
      sameNumbers(states.layers, layers, 'layers');
      equal(states.values.length, layers.length * 14 * width, 'numbers by layer and row');
      const pool = [span(0, 14), span(3, 4), span(5, 11)];
      const { result } = await lab.prefill(tokens, { hidden: { layers, pool } });
      const pooled = defined(result.hidden, 'hidden');
      equal(pooled.values.length, layers.length * 3 * width, 'numbers by layer and span');
      layers.forEach((layer, part) =>
        pool.forEach(({ start, end }, place) => {
          const mean = new Float64Array(width);
          for (let row = start; row < end; row++) {
            for (let i = 0; i < width; i++) {
              const value = states.values[(part * 14 + row) * width + i] as number;
              mean[i] = (mean[i] as number) + value / (end - start);
            }
          }
          const at = (part * 3 + place) * width;
          sameVectors(
            pooled.values.slice(at, at + width),
            mean,
            Math.max(lab.tolerance.vectors, 1e-3),
            `mean of [${start}, ${end}) after layer ${layer}`,
          );
        }),
      );
    },
  },
  {
    name: 'asking for the last layer and only some logits does not mix rows up',
    run: async (lab) => {
      const tokens = lab.tokens(14, 7);
      const layers = [lab.layers - 1];
      const { result: plain } = await lab.prefill(tokens);
      const { result } = await lab.prefill(tokens, {
        hidden: { layers },
        attention: { layers },
        logits: Int32Array.of(13, 2),
      });
      lab.sameLogits(lab.row(result), lab.row(plain), 'last row');
      equal(
        defined(result.hidden, 'hidden').values.length,
        14 * lab.engine.model.width,
        'hidden numbers',
      );
    },
  },
  {
    name: 'deviation is the squared distance of what was computed from what was held',
    run: async (lab) => {
      const prefix = lab.tokens(10, 8);
      const { sequence } = await lab.prefill(concat(prefix, lab.tokens(14, 9)));
      const place = await sequence.splice(await lab.encode(prefix, lab.tokens(10, 10)));
      const layers = [...numbers(0, lab.layers)];
      const before = await sequence.capture(place);
      const { deviation } = await lab.arena
        .forward(
          [
            { kind: 'append', sequence, tokens: lab.tokens(2, 11) },
            { kind: 'refresh', sequence, entries: numbers(place.start, place.end) },
          ],
          { deviation: layers },
        )
        .then((result) => ({ deviation: defined(result.deviation, 'deviation') }));
      const after = await sequence.capture(place);
      sameNumbers(deviation.layers, layers, 'layers');
      equal(deviation.keys.length, layers.length * 12, 'numbers by layer and row');
      for (const layer of layers) {
        for (const row of [0, 1]) {
          const number = deviation.keys[layer * 12 + row] as number;
          ok(Number.isNaN(number), `an appended row deviates by ${number}`);
          ok(Number.isNaN(deviation.values[layer * 12 + row] as number), 'values of it do');
        }
        const pairs = [
          ['keys', deviation.keys, keysOf],
          ['values', deviation.values, valuesOf],
        ] as const;
        for (const [what, actual, of] of pairs) {
          const expected = squaredDistances(of(before, layer), of(after, layer), 10);
          const scale = squaredDistances(
            of(after, layer),
            new Float32Array(of(after, layer).length),
            10,
          );
          for (let row = 0; row < 10; row++) {
            const difference = Math.abs(
              (actual[layer * 12 + 2 + row] as number) - (expected[row] as number),
            );
            // Differences of f16 numbers, squared: as exact as the vectors are, no more.
            const allowed =
              0.05 * (expected[row] as number) +
              (1e-5 + lab.tolerance.vectors ** 2) * (scale[row] as number);
            ok(
              difference <= allowed,
              `${what} of row ${row} in layer ${layer}: off by ${difference} of ${expected[row]}`,
            );
          }
        }
      }
      if (lab.layers > 1) {
        const high = deviation.values.slice(-10);
        ok(
          high.every((value) => value > 0),
          'a changed context does not show',
        );
      }
    },
  },
  {
    name: 'fresh KV does not deviate',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(24, 12));
      const layers = [...numbers(0, lab.layers)];
      const kv = await lab.capture(sequence);
      const result = await sequence.refresh(span(4, 24), { deviation: layers });
      const { keys, values } = defined(result.deviation, 'deviation');
      for (const layer of layers) {
        const lengths = [keysOf(kv, layer), valuesOf(kv, layer)].map(
          (all) => squaredDistances(all, new Float32Array(all.length), 1)[0] as number,
        ) as [number, number];
        const sums = [keys, values].map((all) =>
          all.slice(layer * 20, (layer + 1) * 20).reduce((sum, x) => sum + x, 0),
        ) as [number, number];
        const allowed = Math.max(lab.tolerance.vectors ** 2, 1e-5);
        ok(sums[0] <= allowed * lengths[0], `keys of layer ${layer} deviate by ${sums[0]}`);
        ok(sums[1] <= allowed * lengths[1], `values of layer ${layer} deviate by ${sums[1]}`);
      }
    },
  },
];

/** Of each of `rows` rows. `b` may be longer. */
function squaredDistances(a: Float32Array, b: Float32Array, rows: number): number[] {
  const width = a.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i++) {
      sum += ((a[i] as number) - (b[i] as number)) ** 2;
    }
    return sum;
  });
}
