import type { LayerPass } from '../../engine/pass.js';
import { defined, equal, fails, ok, sameNumbers } from './assert.js';
import { kvDistance, sameMass, sameVectors } from './compare.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Runs that the caller steps through the layers. */
export const passCases: readonly ConformanceCase[] = [
  {
    name: 'a stepped pass gives what a forward gives',
    run: async (lab) => {
      const tokens = lab.tokens(30, 1);
      const full = await lab.prefill(tokens, { losses: true });
      const sequence = lab.arena.createSequence();
      const pass = await lab.arena.begin([{ kind: 'append', sequence, tokens }]);
      equal(pass.nextLayer, 0, 'first layer');
      sameNumbers(pass.rows, numbers(0, 30), 'rows');
      for (let layer = 1; layer < lab.layers; layer++) {
        await pass.advance(layer);
        equal(pass.nextLayer, layer, 'next layer');
        equal(sequence.length, 0, 'length before the appended rows join');
      }
      const result = await pass.finish({ losses: true });
      sameNumbers(defined(result.logits, 'logits').rows, [29], 'rows of the logits');
      lab.sameLogits(lab.row(result), lab.row(full.result), 'stepped');
      const losses = defined(result.losses, 'losses').slice(0, 29);
      const expected = defined(full.result.losses, 'losses').slice(0, 29);
      sameVectors(losses, expected, Math.max(lab.tolerance.vectors, 1e-4), 'losses');
      lab.sameKv(await lab.capture(sequence), await lab.capture(full.sequence), 'KV');
      equal(sequence.length, 30, 'length');
    },
  },
  {
    name: 'a pass may go all the way before it is finished',
    run: async (lab) => {
      const tokens = lab.tokens(12, 2);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      const pass = await lab.arena.begin([{ kind: 'append', sequence, tokens }]);
      await pass.advance(lab.layers);
      const result = await pass.finish();
      lab.sameLogits(lab.row(result), lab.row(full.result), 'finished');
      for (const call of [() => pass.advance(lab.layers), () => pass.finish()]) {
        await fails(call, 'DISPOSED', 'a call after the end');
      }
      await pass.dispose();
      equal(sequence.length, 12, 'length after disposing what is finished');
    },
  },
  {
    name: 'rows that are left out keep what they held in the layers above',
    run: async (lab) => {
      const { layers } = lab;
      if (layers < 2) return;
      const border = Math.ceil(layers / 2);
      const prefix = lab.tokens(10, 3);
      const context = lab.tokens(16, 4);
      const { sequence } = await lab.prefill(concat(prefix, context));
      const place = await sequence.splice(await lab.encode(prefix, lab.tokens(12, 5)));
      const before = await sequence.capture(place);
      const fresh = sequence.fork();
      await fresh.refresh(place);
      const after = await fresh.capture(place);

      const question = lab.tokens(4, 6);
      const entries = numbers(place.start, place.end);
      const pass = await lab.arena.begin([
        { kind: 'refresh', sequence, entries },
        { kind: 'append', sequence, tokens: question },
      ]);
      await pass.advance(border);
      await fails(async () => pass.keep(numbers(0, 12)), 'INVALID_ARGUMENT', 'appended rows gone');
      await fails(async () => pass.keep(Int32Array.of(12, 99)), 'INVALID_ARGUMENT', 'no such row');
      await fails(async () => pass.keep(new Int32Array()), 'INVALID_ARGUMENT', 'no row');
      pass.keep(concat(Int32Array.of(1), numbers(12, 16)));
      sameNumbers(pass.rows, [1, 12, 13, 14, 15], 'rows that go on');
      await fails(
        async () => pass.keep(numbers(0, 16)),
        'INVALID_ARGUMENT',
        'rows that were left out before',
      );
      const result = await pass.finish();
      equal(defined(result.logits, 'logits').rows[0], 15, 'row of the last token');

      const one = span(place.start, place.start + 1);
      const mixed = await sequence.capture(one);
      const [old, renewed] = [await firstToken(before), await firstToken(after)];
      for (let layer = 0; layer < layers; layer++) {
        const expected = layer < border ? renewed : old;
        const { keys, values } = kvDistance(mixed, expected, layer);
        ok(
          Math.max(keys, values) <= lab.tolerance.vectors,
          `layer ${layer} of a row left out at ${border} differs by ${Math.max(keys, values)}`,
        );
      }

      async function firstToken(kv: typeof before): Promise<typeof before> {
        const scratch = lab.arena.createSequence();
        await scratch.splice(kv);
        return scratch.capture(span(0, 1));
      }
    },
  },
  {
    name: 'a pass over refreshed rows may go on without any',
    run: async (lab) => {
      const { layers } = lab;
      if (layers < 2) return;
      const prefix = lab.tokens(10, 30);
      const { sequence } = await lab.prefill(concat(prefix, lab.tokens(16, 31)));
      const place = await sequence.splice(await lab.encode(prefix, lab.tokens(12, 32)));
      const before = await lab.capture(sequence);
      const fresh = sequence.fork();
      await fresh.refresh(place);
      const after = await lab.capture(fresh);
      const entries = numbers(place.start, place.end);
      const pass = await lab.arena.begin([{ kind: 'refresh', sequence, entries }]);
      await pass.advance(1);
      pass.keep(new Int32Array());
      equal(pass.rows.length, 0, 'rows that go on');
      if (layers > 2) await pass.advance(2, { deviation: [1] });
      const change = { group: 0, spans: [place] };
      const result = await pass.finish({ change });
      ok(!result.logits || result.logits.rows.length === 0, 'no rows, but logits');
      sameNumbers(defined(result.change, 'change').rows, [0], 'rows that changed');
      const mixed = await lab.capture(sequence);
      for (let layer = 0; layer < layers; layer++) {
        const { keys, values } = kvDistance(mixed, layer < 1 ? after : before, layer);
        ok(
          Math.max(keys, values) <= lab.tolerance.vectors,
          `layer ${layer} of rows left out at 1 differs by ${Math.max(keys, values)}`,
        );
      }
      await sequence.append(lab.tokens(2, 33));
    },
  },
  {
    name: 'layers may be loaded while a pass is under way',
    run: async (lab) => {
      const { layers } = lab;
      if (layers < 2) return;
      const prefix = lab.tokens(8, 7);
      const chunk = lab.tokens(16, 8);
      const question = lab.tokens(6, 9);
      const { sequence: source } = await lab.prefill(concat(prefix, lab.tokens(5, 10), chunk));
      const place = span(13, 29);
      const whole = await source.capture(place);
      const refreshed = Int32Array.of(9, 15);

      const expected = await lab.prefill(prefix);
      await expected.sequence.splice(whole);
      const full = await lab.arena.forward([
        { kind: 'refresh', sequence: expected.sequence, entries: refreshed },
        { kind: 'append', sequence: expected.sequence, tokens: question },
      ]);

      const { sequence } = await lab.prefill(prefix);
      const loaded = await sequence.splice(
        await source.capture(place, { layers: { from: 0, to: 1 } }),
      );
      const pass = await lab.arena.begin([
        { kind: 'refresh', sequence, entries: refreshed },
        { kind: 'append', sequence, tokens: question },
      ]);
      await fails(() => pass.advance(layers), 'STALE_CELL', 'layers that are not loaded');
      equal(pass.nextLayer, 0, 'next layer after the failed call');
      for (let layer = 1; layer < layers; layer++) {
        const step = pass.advance(layer);
        const part = await source.capture(place, { layers: { from: layer, to: layer + 1 } });
        await Promise.all([step, sequence.load(loaded, part)]);
      }
      const result = await pass.finish();
      lab.sameLogits(lab.row(result), lab.row(full), 'loaded on the way');
      lab.sameKv(await lab.capture(sequence), await lab.capture(expected.sequence), 'KV');
    },
  },
  {
    name: 'an append that ends early leaves nothing',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(10, 11));
      await lab.unchanged(sequence, async () => {
        for (const to of new Set([0, 1, lab.layers])) {
          const pass = await lab.arena.begin([
            { kind: 'append', sequence, tokens: lab.tokens(8, 12) },
          ]);
          if (to > 0) await pass.advance(to);
          await pass.dispose();
          await pass.dispose();
          await fails(() => pass.advance(lab.layers), 'DISPOSED', 'a call after the end');
        }
      });
    },
  },
  {
    name: 'a refresh that ends early leaves its cells stale above the layer it reached',
    run: async (lab) => {
      if (lab.layers < 2) return;
      const tokens = lab.tokens(20, 13);
      const { sequence, result: full } = await lab.prefill(tokens);
      const exact = await lab.capture(sequence);
      const entries = Int32Array.of(4, 12);
      const untouched = await lab.arena.begin([{ kind: 'refresh', sequence, entries }]);
      await untouched.dispose();
      lab.sameKv(await lab.capture(sequence), exact, 'KV after a pass that did nothing');

      const pass = await lab.arena.begin([{ kind: 'refresh', sequence, entries }]);
      await pass.advance(1);
      await pass.dispose();
      await fails(
        () => sequence.append(lab.tokens(2, 14)),
        'STALE_CELL',
        'append over stale cells',
      );
      await fails(() => lab.capture(sequence), 'STALE_CELL', 'capture of stale cells');
      await sequence.capture(span(4, 5), { layers: { from: 0, to: 1 } });
      await sequence.refresh(Int32Array.of(2));
      await fails(
        () => sequence.refresh(Int32Array.of(5)),
        'STALE_CELL',
        'refresh over stale cells',
      );
      await sequence.refresh(entries);
      const result = await sequence.refresh(Int32Array.of(19), { logits: 'all' });
      lab.sameLogits(lab.row(result), lab.row(full), 'after the refresh of the stale cells', true);
      lab.sameKv(await lab.capture(sequence), exact, 'KV');
    },
  },
  {
    name: 'cells that a pass writes are valid up to the layer that it reached',
    run: async (lab) => {
      if (lab.layers < 2) return;
      const { sequence } = await lab.prefill(lab.tokens(12, 23));
      const exact = await sequence.capture(span(4, 6));
      const pass = await lab.arena.begin([
        { kind: 'refresh', sequence, entries: Int32Array.of(4, 5) },
      ]);
      await pass.advance(1);
      const reached = await sequence.capture(span(4, 6), { layers: { from: 0, to: 1 } });
      lab.sameKv(exact, reached, 'layer 0');
      await fails(() => sequence.capture(span(4, 6)), 'STALE_CELL', 'capture of layers to come');
      await pass.finish();
      lab.sameKv(await sequence.capture(span(4, 6)), exact, 'KV after the pass');
    },
  },
  {
    name: 'a pass gives attention, deviation and hidden states layer by layer',
    run: async (lab) => {
      const { layers, engine } = lab;
      const prefix = lab.tokens(10, 15);
      const build = async () => {
        const { sequence } = await lab.prefill(concat(prefix, lab.tokens(8, 16)));
        await sequence.splice(await lab.encode(prefix, lab.tokens(10, 17)));
        return sequence;
      };
      const [a, b] = [await build(), await build()];
      const entries = Int32Array.of(18, 22, 27);
      const tokens = lab.tokens(5, 18);
      const all = [...numbers(0, layers)];
      const full = await lab.arena.forward(
        [
          { kind: 'refresh', sequence: a, entries },
          { kind: 'append', sequence: a, tokens },
        ],
        {
          attention: { layers: all, perLayer: true },
          deviation: all,
          hidden: { layers: all },
        },
      );
      const pass: LayerPass = await lab.arena.begin([
        { kind: 'refresh', sequence: b, entries },
        { kind: 'append', sequence: b, tokens },
      ]);
      const mass = defined(full.attention?.[0], 'attention').byEntry;
      const hidden = defined(full.hidden, 'hidden').values;
      const deviation = defined(full.deviation, 'deviation').values;
      const { width } = engine.model;
      for (const layer of all) {
        const asked = {
          attention: { layers: [layer] },
          deviation: [layer],
          hidden: { layers: [layer] },
        };
        const step =
          layer + 1 < layers ? await pass.advance(layer + 1, asked) : await pass.finish(asked);
        sameMass(
          defined(step.attention?.[0], 'attention').byEntry,
          mass.slice((layer * mass.length) / layers, ((layer + 1) * mass.length) / layers),
          lab.tolerance.attention,
          `attention of layer ${layer}`,
        );
        sameVectors(
          defined(step.hidden, 'hidden').values,
          hidden.slice(layer * 8 * width, (layer + 1) * 8 * width),
          lab.tolerance.vectors,
          `hidden states of layer ${layer}`,
        );
        if (layer > 0) {
          sameVectors(
            defined(step.deviation, 'deviation').values.slice(0, 3),
            deviation.slice(layer * 8, layer * 8 + 3),
            // Squares of differences: errors weigh twice, and more where the difference is small.
            10 * lab.tolerance.vectors,
            `deviation of layer ${layer}`,
          );
        }
      }
    },
  },
  {
    name: 'others may compute between two steps',
    run: async (lab) => {
      const tokens = lab.tokens(16, 19);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      const pass = await lab.arena.begin([{ kind: 'append', sequence, tokens }]);
      await pass.advance(1);
      const other = await lab.prefill(tokens);
      lab.sameLogits(lab.row(other.result), lab.row(full.result), 'the other');
      const result = await pass.finish();
      lab.sameLogits(lab.row(result), lab.row(full.result), 'the pass');
    },
  },
  {
    name: 'a pass keeps the cells of a sequence that is disposed meanwhile',
    run: async (lab) => {
      const tokens = lab.tokens(16, 20);
      const full = await lab.prefill(tokens);
      const { free } = lab.arena;
      const sequence = lab.arena.createSequence();
      await sequence.append(tokens.slice(0, 10));
      const pass = await lab.arena.begin([{ kind: 'append', sequence, tokens: tokens.slice(10) }]);
      await pass.advance(1);
      sequence.dispose();
      // Whoever comes now must not be given the pass's cells.
      const other = await lab.prefill(lab.tokens(16, 21));
      const result = await pass.finish();
      lab.sameLogits(lab.row(result), lab.row(full.result), 'the pass');
      other.sequence.dispose();
      equal(lab.arena.free, free, 'free cells after the pass');
    },
  },
  {
    name: 'layers that a pass cannot go to',
    run: async (lab) => {
      const sequence = lab.arena.createSequence();
      const pass = await lab.arena.begin([{ kind: 'append', sequence, tokens: lab.tokens(4, 22) }]);
      await pass.advance(1);
      for (const to of [0, 1, -1, 1.5, lab.layers + 1, NaN]) {
        await fails(() => pass.advance(to), 'INVALID_ARGUMENT', `advance to ${to}`);
      }
      await fails(
        () => pass.finish({ hidden: { layers: [0] } }),
        'INVALID_ARGUMENT',
        'a layer that was computed before',
      );
      await fails(
        () => pass.finish({ logits: Int32Array.of(4) }),
        'INVALID_ARGUMENT',
        'logits of a row that is not there',
      );
      equal(pass.nextLayer, 1, 'next layer after failed calls');
      await pass.finish();
    },
  },
];
