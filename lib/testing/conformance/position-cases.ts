import { defined, ok, sameNumbers } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** What a token sees follows from positions alone. */
export const positionCases: readonly ConformanceCase[] = [
  {
    name: 'a later token changes nothing before it',
    run: async (lab) => {
      const tokens = lab.tokens(40, 1);
      const changed = concat(tokens.slice(0, 30), lab.tokens(10, 2));
      const a = await lab.prefill(tokens, { logits: 'all' });
      const b = await lab.prefill(changed, { logits: 'all' });
      const { vocabSize } = lab.engine.model;
      const first = defined(a.result.logits, 'logits').values;
      const second = defined(b.result.logits, 'logits').values;
      lab.sameLogits(second.slice(0, 30 * vocabSize), first.slice(0, 30 * vocabSize), 'before it');
      lab.otherLogits(second.slice(30 * vocabSize), first.slice(30 * vocabSize), 'after it');
      lab.sameKv(
        await b.sequence.capture(span(0, 30)),
        await a.sequence.capture(span(0, 30)),
        'KV before it',
      );
    },
  },
  {
    name: 'all positions may be shifted together',
    run: async (lab) => {
      const tokens = lab.tokens(40, 3);
      const a = await lab.prefill(tokens);
      const b = await lab.prefill(tokens, { positions: numbers(100, 140) });
      sameNumbers(b.sequence.positions, numbers(100, 140), 'positions');
      lab.sameLogits(lab.row(b.result), lab.row(a.result), 'shifted by 100');
      lab.sameKv(await lab.capture(b.sequence), await lab.capture(a.sequence), 'un-rotated KV');
    },
  },
  {
    name: 'distances between positions matter',
    run: async (lab) => {
      const tokens = lab.tokens(24, 4);
      const a = await lab.prefill(tokens);
      const b = await lab.prefill(tokens, {
        positions: concat(numbers(0, 12), numbers(112, 124)),
      });
      lab.otherLogits(lab.row(b.result), lab.row(a.result), 'a hole of 100 positions');
    },
  },
  {
    name: 'an appended token in the middle sees what lies before it, not what lies after',
    run: async (lab) => {
      const tokens = lab.tokens(40, 5);
      const [token] = lab.tokens(1, 6);
      const full = await lab.prefill(concat(tokens.slice(0, 10), Int32Array.of(token as number)));
      const { sequence } = await lab.prefill(tokens, {
        positions: concat(numbers(0, 10), numbers(20, 50)),
      });
      const result = await sequence.append(Int32Array.of(token as number), {
        positions: Int32Array.of(10),
      });
      lab.sameLogits(lab.row(result), lab.row(full.result), 'at position 10', true);
    },
  },
  {
    name: 'cells may be written in any order',
    run: async (lab) => {
      const tokens = lab.tokens(40, 7);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      await sequence.append(tokens.slice(20), { positions: numbers(20, 40) });
      await sequence.append(tokens.slice(0, 20), { positions: numbers(0, 20) });
      const result = await sequence.refresh(span(0, 20), { logits: Int32Array.of(19) });
      lab.sameLogits(lab.row(result), lab.row(full.result), 'later half first');
    },
  },
  {
    name: 'tokens follow the highest position unless told otherwise',
    run: async (lab) => {
      const sequence = lab.arena.createSequence();
      await sequence.append(lab.tokens(3, 8), { positions: Int32Array.of(5, 60, 7) });
      await sequence.append(lab.tokens(2, 9));
      sameNumbers(sequence.positions, [5, 60, 7, 61, 62], 'positions');
      const kv = await sequence.capture(span(0, 2));
      await sequence.splice(kv);
      sameNumbers(sequence.positions, [5, 60, 7, 61, 62, 63, 64], 'positions after a splice');
    },
  },
  {
    name: 'a sliding window hides what lies before it, in its layers',
    run: async (lab) => {
      const { slidingWindow, layers } = lab.engine.model;
      if (slidingWindow === 0 || slidingWindow > 128) return;
      const length = slidingWindow + 24;
      const { sequence } = await lab.prefill(lab.tokens(length, 10), { logits: 'none' });
      const { byEntry } = await sequence.probe(lab.tokens(1, 11), {
        layers: [...numbers(0, layers)],
        perLayer: true,
      });
      const hidden = [...numbers(0, layers)].map((layer) => {
        const row = byEntry.subarray(layer * (length + 1), (layer + 1) * (length + 1));
        const mass = row.slice(0, length + 1 - slidingWindow).reduce((sum, x) => sum + x, 0);
        return mass < 1e-6;
      });
      ok(hidden.includes(true), 'no layer hides what lies before the window');
      for (const layer of lab.engine.model.probeLayers) {
        ok(!hidden[layer], `probe layer ${layer} has a window`);
      }
    },
  },
];
