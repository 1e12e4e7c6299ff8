import type { ChunkKv } from '../../engine/chunk-kv.js';
import { equal, fails, sameNumbers } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Chunk KV out of the arena and back. */
export const spliceCases: readonly ConformanceCase[] = [
  {
    name: 'a chunk spliced back at its place gives what a full prefill gives',
    run: async (lab) => {
      const [prefix, chunk, question] = [lab.tokens(16, 1), lab.tokens(40, 2), lab.tokens(12, 3)];
      const full = await lab.prefill(concat(prefix, chunk, question));
      const kv = await full.sequence.capture(span(16, 56));
      const { sequence } = await lab.prefill(prefix);
      const place = await sequence.splice(kv);
      equal(place.start, 16, 'start of the span');
      equal(place.end, 56, 'end of the span');
      sameNumbers(sequence.tokens, concat(prefix, chunk), 'tokens');
      sameNumbers(sequence.positions, numbers(0, 56), 'positions');
      lab.sameKv(await sequence.capture(place), kv, 'captured again');
      const result = await sequence.append(question);
      lab.sameLogits(lab.row(result), lab.row(full.result), 'after the splice');
    },
  },
  {
    name: 'a chunk may be spliced at any distance',
    run: async (lab) => {
      const [prefix, chunk, question] = [lab.tokens(16, 4), lab.tokens(24, 5), lab.tokens(8, 6)];
      const full = await lab.prefill(concat(prefix, chunk, question));
      const kv = await full.sequence.capture(span(16, 40));
      for (const shift of [1, 37, 150]) {
        const { sequence } = await lab.prefill(prefix, {
          positions: numbers(shift, shift + prefix.length),
        });
        await sequence.splice(kv);
        const result = await sequence.append(question);
        lab.sameLogits(lab.row(result), lab.row(full.result), `moved by ${shift}`);
        lab.sameKv(await sequence.capture(span(16, 40)), kv, `KV moved by ${shift}`);
        sequence.dispose();
      }
    },
  },
  {
    name: 'splicing at a position is splicing elsewhere and moving there',
    run: async (lab) => {
      const prefix = lab.tokens(12, 7);
      const kv = await lab.encode(prefix, lab.tokens(20, 8));
      const question = lab.tokens(8, 9);
      const direct = await lab.prefill(prefix);
      await direct.sequence.splice(kv, { position: 50 });
      const moved = await lab.prefill(prefix);
      const place = await moved.sequence.splice(kv);
      await moved.sequence.move(place, 50 - prefix.length);
      sameNumbers(moved.sequence.positions, direct.sequence.positions, 'positions');
      lab.sameLogits(
        lab.row(await moved.sequence.append(question)),
        lab.row(await direct.sequence.append(question)),
        'moved there',
      );
    },
  },
  {
    name: 'layers may be captured apart, and loaded one after the other',
    run: async (lab) => {
      const { layers } = lab;
      if (layers < 2) return;
      const [prefix, chunk, question] = [lab.tokens(8, 10), lab.tokens(16, 11), lab.tokens(6, 12)];
      const { sequence: source } = await lab.prefill(concat(prefix, chunk));
      const place = span(8, 24);
      const whole = await source.capture(place);
      const parts: ChunkKv[] = [];
      const bounds = [0, 1, layers > 2 ? layers - 1 : layers, layers];
      for (let i = 0; i + 1 < bounds.length; i++) {
        const [from, to] = [bounds[i] as number, bounds[i + 1] as number];
        if (to > from) parts.push(await source.capture(place, { layers: { from, to } }));
      }
      for (const part of parts) lab.sameKv(whole, part, `layers from ${part.layers.from}`);

      const expected = await lab.prefill(prefix);
      await expected.sequence.splice(whole);
      const { sequence } = await lab.prefill(prefix);
      const [first, ...rest] = parts as [ChunkKv, ...ChunkKv[]];
      const loaded = await sequence.splice(first);
      const { free } = lab.arena;
      await fails(() => sequence.append(question), 'STALE_CELL', 'append over partial layers');
      await fails(() => sequence.capture(loaded), 'STALE_CELL', 'capture of partial layers');
      await fails(() => sequence.probe(question, { layers: [layers - 1] }), 'STALE_CELL', 'probe');
      equal(sequence.length, 24, 'length after failed calls');
      equal(lab.arena.free, free, 'free cells after failed calls');
      if (rest.length > 1) {
        const last = rest.at(-1) as ChunkKv;
        await fails(() => sequence.load(loaded, last), 'INVALID_ARGUMENT', 'a layer left out');
        await fails(() => sequence.splice(last), 'INVALID_ARGUMENT', 'splice above layer 0');
      }
      for (const part of rest) await sequence.load(loaded, part);
      lab.sameLogits(
        lab.row(await sequence.append(question)),
        lab.row(await expected.sequence.append(question)),
        'loaded by layers',
      );
    },
  },
  {
    name: 'chunk KV says what it is, and lies in memory as agreed',
    run: async (lab) => {
      const { model } = lab.engine;
      const tokens = lab.tokens(10, 13);
      const { sequence } = await lab.prefill(tokens);
      const kv = await sequence.capture(span(2, 9));
      equal(kv.fingerprint, model.fingerprint, 'fingerprint');
      sameNumbers(kv.tokens, tokens.slice(2, 9), 'tokens');
      equal(kv.layers.from, 0, 'first layer');
      equal(kv.layers.to, model.layers, 'last layer');
      equal(kv.layout.layers, model.kv.layers, 'layers of the layout');
      equal(kv.layout.keyWidth, model.kv.keyWidth, 'key width');
      equal(kv.layout.valueWidth, model.kv.valueWidth, 'value width');
      const bytes = model.layers * 7 * (model.kv.keyWidth + model.kv.valueWidth) * 2;
      equal(kv.data.byteLength, bytes, 'bytes');
      const empty = await sequence.capture(span(4, 4));
      equal(empty.data.byteLength, 0, 'bytes of an empty span');
    },
  },
  {
    name: 'chunk KV in unaligned memory is as good as any',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(9, 14));
      const kv = await lab.capture(sequence);
      const room = new Uint8Array(kv.data.length + 1);
      room.set(kv.data, 1);
      const other = lab.arena.createSequence();
      const place = await other.splice({ ...kv, data: room.subarray(1) });
      lab.sameKv(await other.capture(place), kv, 'unaligned');
    },
  },
  {
    name: "another model's chunk KV, or damaged one, is refused",
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(12, 15));
      const kv = await sequence.capture(span(4, 12));
      const { layers, layout } = kv;
      const bad: readonly (readonly [string, ChunkKv])[] = [
        ['fingerprint', { ...kv, fingerprint: `${kv.fingerprint}0` }],
        ['bytes missing', { ...kv, data: kv.data.subarray(2) }],
        ['tokens missing', { ...kv, tokens: kv.tokens.slice(1) }],
        ['key width', { ...kv, layout: { ...layout, keyWidth: layout.keyWidth * 2 } }],
        ['number of layers', { ...kv, layout: { ...layout, layers: layout.layers + 1 } }],
        ['range of layers', { ...kv, layers: { from: 0, to: layers.to + 1 } }],
        ['empty range of layers', { ...kv, layers: { from: 1, to: 1 }, data: new Uint8Array() }],
      ];
      await lab.unchanged(sequence, async () => {
        for (const [what, wrong] of bad) {
          await fails(() => sequence.splice(wrong), 'KV_MISMATCH', `splice, ${what}`);
          await fails(() => sequence.load(span(4, 12), wrong), 'KV_MISMATCH', `load, ${what}`);
        }
        const other = lab.tokens(8, 16);
        await fails(
          () => sequence.load(span(4, 12), { ...kv, tokens: other }),
          'KV_MISMATCH',
          'load, other tokens',
        );
        await fails(() => sequence.load(span(0, 12), kv), 'KV_MISMATCH', 'load, longer span');
      });
    },
  },
];
