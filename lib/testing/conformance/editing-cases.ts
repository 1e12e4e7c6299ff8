import { layerKeys, layerValues } from '../../engine/chunk-kv.js';
import { writeHalves } from '../../engine/half.js';
import { equal, sameNumbers } from './assert.js';
import { keysOf, valuesOf } from './compare.js';
import { seededInteger, seededNormals, seededRandom } from '../../random.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Changing what a sequence holds. */
export const editingCases: readonly ConformanceCase[] = [
  {
    name: 'a correction is what editing the captured KV would be',
    run: async (lab) => {
      const { kv: layout } = lab.engine.model;
      const tokens = 9;
      const ranges = [
        { from: 0, to: lab.layers },
        { from: lab.layers - 1, to: lab.layers },
      ];
      for (const layers of ranges) {
        for (const perToken of [false, true]) {
          for (const shift of [0, 30]) {
            const count = (layers.to - layers.from) * (perToken ? tokens : 1);
            const random = seededRandom(count + shift);
            const make = (width: number) =>
              Float32Array.from(seededNormals(random, count * width, 0.3));
            const correction = {
              layers,
              keys: make(layout.keyWidth),
              values: make(layout.valueWidth),
            };
            const { sequence } = await lab.prefill(lab.tokens(20, 1), {
              positions: numbers(shift, shift + 20),
            });
            const place = span(6, 6 + tokens);
            const kv = await sequence.capture(place);
            const edited = { ...kv, data: kv.data.slice() };
            for (let layer = layers.from; layer < layers.to; layer++) {
              const parts = [
                [keysOf(kv, layer), correction.keys, layerKeys(edited, layer)],
                [valuesOf(kv, layer), correction.values, layerValues(edited, layer)],
              ] as const;
              for (const [held, change, target] of parts) {
                const width = held.length / tokens;
                writeHalves(
                  held.map((value, i) => {
                    const row = perToken ? Math.floor(i / width) : 0;
                    const first = (layer - layers.from) * (perToken ? tokens : 1) + row;
                    return value + (change[first * width + (i % width)] as number);
                  }),
                  target,
                );
              }
            }
            await sequence.correct(place, correction);
            lab.sameKv(await sequence.capture(place), edited, 'corrected KV');
            sequence.dispose();
          }
        }
      }
    },
  },
  {
    name: 'keys or values may be corrected alone, and attention sees it',
    run: async (lab) => {
      const { kv: layout } = lab.engine.model;
      const { sequence } = await lab.prefill(lab.tokens(16, 2));
      const other = sequence.fork();
      const question = lab.tokens(3, 3);
      const place = span(4, 12);
      const before = await sequence.capture(place);
      const values = new Float32Array(layout.valueWidth).fill(2);
      await other.correct(place, { layers: { from: 0, to: 1 }, values });
      const after = await other.capture(place);
      sameNumbers(layerKeys(after, 0), layerKeys(before, 0), 'keys');
      lab.otherLogits(
        lab.row(await other.append(question)),
        lab.row(await sequence.append(question)),
        'after the correction',
      );
    },
  },
  {
    name: 'moving there and back changes nothing',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(30, 4));
      const fork = sequence.fork();
      const question = lab.tokens(4, 5);
      const kv = await lab.capture(sequence);
      const expected = await sequence.append(question);
      await fork.move(span(10, 30), 100);
      sameNumbers(fork.positions, concat(numbers(0, 10), numbers(110, 130)), 'positions');
      lab.sameKv(await lab.capture(fork), kv, 'un-rotated KV');
      await fork.move(span(10, 30), -100);
      await fork.move(span(0, 30), 0);
      sameNumbers(fork.positions, numbers(0, 30), 'positions');
      lab.sameLogits(lab.row(await fork.append(question)), lab.row(expected), 'moved back');
    },
  },
  {
    name: 'dropping a span and refreshing what follows gives the prompt without it',
    run: async (lab) => {
      const tokens = lab.tokens(40, 6);
      const rest = concat(tokens.slice(0, 12), tokens.slice(20));
      const full = await lab.prefill(rest);
      const { sequence } = await lab.prefill(tokens);
      const { free } = lab.arena;
      await sequence.drop(span(12, 20));
      equal(lab.arena.free, free + 8, 'free cells');
      sameNumbers(sequence.tokens, rest, 'tokens');
      sameNumbers(sequence.positions, numbers(0, 32), 'positions');
      const result = await sequence.refresh(span(12, 32), { logits: Int32Array.of(19) });
      lab.sameLogits(lab.row(result), lab.row(full.result), 'without it');
    },
  },
  {
    name: 'a hole may be left open',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(20, 7));
      await sequence.drop(span(5, 9), { close: false });
      sameNumbers(sequence.positions, concat(numbers(0, 5), numbers(9, 20)), 'positions');
      await sequence.append(lab.tokens(2, 8));
      sameNumbers(sequence.positions.slice(-2), [20, 21], 'positions of what is appended');
      await sequence.drop(span(0, 0));
      equal(sequence.length, 18, 'length after dropping nothing');
    },
  },
  {
    name: 'replacing a span and refreshing what follows gives the edited prompt',
    run: async (lab) => {
      const tokens = lab.tokens(30, 9);
      const edits = [
        { place: span(10, 14), by: 9 },
        { place: span(10, 20), by: 3 },
        { place: span(0, 5), by: 5 },
        { place: span(12, 12), by: 6 },
        { place: span(25, 30), by: 7 },
        { place: span(30, 30), by: 2 },
      ];
      for (const { place, by } of edits) {
        const what = `[${place.start}, ${place.end}) by ${by} tokens`;
        const fresh = lab.tokens(by, 10 + by);
        const edited = concat(tokens.slice(0, place.start), fresh, tokens.slice(place.end));
        const full = await lab.prefill(edited);
        const { sequence } = await lab.prefill(tokens);
        const at = await sequence.replace(place, fresh);
        equal(at.start, place.start, `start of the new span, ${what}`);
        equal(at.end, place.start + by, `end of the new span, ${what}`);
        sameNumbers(sequence.tokens, edited, `tokens, ${what}`);
        sameNumbers(sequence.positions, numbers(0, edited.length), `positions, ${what}`);
        lab.sameKv(
          await sequence.capture(span(0, at.end)),
          await full.sequence.capture(span(0, at.end)),
          `KV up to the new tokens, ${what}`,
        );
        if (at.end < edited.length) await sequence.refresh(span(at.end, edited.length));
        lab.sameKv(
          await lab.capture(sequence),
          await lab.capture(full.sequence),
          `KV after the refresh, ${what}`,
        );
        sequence.dispose();
        full.sequence.dispose();
      }
    },
  },
  {
    name: 'any series of edits, then a refresh of everything, is the prompt as it reads in the end',
    run: async (lab) => {
      for (const seed of [1, 2, 3]) {
        const random = seededRandom(seed);
        const below = (count: number) => seededInteger(random, count);
        let sequence = lab.arena.createSequence();
        let tokens: Int32Array = new Int32Array();
        const some = (salt: number) => lab.tokens(1 + below(8), seed * 100 + salt);
        for (let step = 0; step < 24; step++) {
          const start = below(tokens.length + 1);
          const end = start + below(Math.min(12, tokens.length - start) + 1);
          const place = span(start, end);
          const fresh = some(step);
          switch (tokens.length > 90 ? 3 : below(6)) {
            case 0:
              await sequence.append(fresh, { logits: 'none' });
              tokens = concat(tokens, fresh);
              break;
            case 1:
              await sequence.splice(await sequence.capture(place));
              tokens = concat(tokens, tokens.slice(start, end));
              break;
            case 2:
              await sequence.replace(place, fresh);
              tokens = concat(tokens.slice(0, start), fresh, tokens.slice(end));
              break;
            case 3:
              await sequence.drop(place);
              tokens = concat(tokens.slice(0, start), tokens.slice(end));
              break;
            case 4: {
              const fork = sequence.fork(end);
              sequence.dispose();
              sequence = fork;
              tokens = tokens.slice(0, end);
              break;
            }
            default:
              await sequence.refresh(place);
          }
          sameNumbers(sequence.tokens, tokens, `tokens after edit ${step}`);
          sameNumbers(sequence.positions, numbers(0, tokens.length), `positions after ${step}`);
          equal(lab.arena.free, lab.arena.cells - tokens.length, `free cells after ${step}`);
        }
        await sequence.append(some(99), { logits: 'none' });
        tokens = sequence.tokens;
        await sequence.refresh(span(0, tokens.length));
        const full = await lab.prefill(tokens);
        lab.sameKv(await lab.capture(sequence), await lab.capture(full.sequence), 'KV');
        sequence.dispose();
        full.sequence.dispose();
      }
    },
  },
];
