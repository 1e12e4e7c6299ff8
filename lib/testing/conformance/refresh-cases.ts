import { defined, equal, ok, sameNumbers } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Computing entries again, and batches of several groups. */
export const refreshCases: readonly ConformanceCase[] = [
  {
    name: 'refreshing everything gives what a full prefill gives',
    run: async (lab) => {
      const prefix = lab.tokens(16, 1);
      const chunks = [lab.tokens(30, 2), lab.tokens(24, 3), lab.tokens(20, 4)];
      const question = lab.tokens(10, 5);
      const full = await lab.prefill(concat(prefix, ...chunks, question));
      const { sequence } = await lab.prefill(prefix);
      for (const chunk of chunks) await sequence.splice(await lab.encode(prefix, chunk));
      if (lab.layers > 1) {
        const naive = sequence.fork();
        lab.otherLogits(
          lab.row(await naive.append(question)),
          lab.row(full.result),
          'chunks that did not see each other',
        );
      }
      await sequence.refresh(span(16, sequence.length), { logits: 'none' });
      const result = await sequence.append(question);
      lab.sameLogits(lab.row(result), lab.row(full.result), 'after the refresh');
      lab.sameKv(await lab.capture(sequence), await lab.capture(full.sequence), 'KV');
    },
  },
  {
    name: 'refreshing any part of exact KV changes nothing',
    run: async (lab) => {
      const { sequence, result: full } = await lab.prefill(lab.tokens(60, 6), { logits: 'all' });
      const exact = await lab.capture(sequence);
      const parts = [[0], [59], [5, 25, 26, 58], [40, 3, 17], [...numbers(20, 40)]];
      for (const part of parts) {
        const result = await sequence.refresh(Int32Array.from(part), { logits: 'all' });
        part.forEach((entry, row) =>
          lab.sameLogits(
            lab.row(result, row),
            lab.row(full, entry),
            `row of entry ${entry}`,
            part.length === 1,
          ),
        );
        lab.sameKv(await lab.capture(sequence), exact, `after refreshing ${part.join()}`);
      }
    },
  },
  {
    name: 'refreshing all that follows a changed token gives the changed prompt',
    run: async (lab) => {
      const [head, tail] = [lab.tokens(20, 7), lab.tokens(20, 8)];
      const [token] = lab.tokens(1, 9);
      const full = await lab.prefill(concat(head, Int32Array.of(token as number), tail));
      const { sequence } = await lab.prefill(concat(head, lab.tokens(1, 10), tail));
      await sequence.replace(span(20, 21), Int32Array.of(token as number));
      const result = await sequence.refresh(span(21, 41), { logits: Int32Array.of(19) });
      lab.sameLogits(lab.row(result), lab.row(full.result), 'last token');
      lab.sameKv(await lab.capture(sequence), await lab.capture(full.sequence), 'KV');
    },
  },
  {
    name: 'refreshing nothing does nothing',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(8, 11));
      await lab.unchanged(sequence, async () => {
        const result = await sequence.refresh(new Int32Array());
        ok(!result.logits || result.logits.rows.length === 0, 'no rows, but logits');
        await sequence.refresh(span(3, 3));
      });
    },
  },
  {
    name: 'a refresh gives no logits unless asked',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(8, 12));
      const result = await sequence.refresh(span(2, 5));
      ok(!result.logits || result.logits.rows.length === 0, 'logits that nobody asked for');
    },
  },
  {
    name: 'one batch or many pieces: the same',
    run: async (lab) => {
      const tokens = lab.tokens(72, 13);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      let result = full.result;
      let at = 0;
      for (const size of [7, 1, 33, 1, 30]) {
        result = await sequence.append(tokens.slice(at, at + size));
        at += size;
      }
      lab.sameLogits(lab.row(result), lab.row(full.result), 'in pieces');
      lab.sameKv(await lab.capture(sequence), await lab.capture(full.sequence), 'KV in pieces');
    },
  },
  {
    name: 'several sequences over shared cells in one batch',
    run: async (lab) => {
      const prefix = lab.tokens(24, 14);
      const { sequence: base } = await lab.prefill(prefix);
      const tails = [lab.tokens(9, 15), lab.tokens(1, 16), lab.tokens(17, 17)];
      const sequences = tails.map(() => base.fork());
      const batch = await lab.arena.forward(
        tails.map((tokens, i) => ({
          kind: 'append',
          sequence: sequences[i] as (typeof sequences)[number],
          tokens,
        })),
      );
      sameNumbers(defined(batch.logits, 'logits').rows, [8, 9, 26], 'last row of each group');
      for (const [i, tail] of tails.entries()) {
        const alone = await lab.prefill(concat(prefix, tail));
        lab.sameLogits(lab.row(batch, i), lab.row(alone.result), `sequence ${i}`);
      }
      equal(base.length, 24, 'length of the shared sequence');
    },
  },
  {
    name: 'refresh and question in one batch are one after the other',
    run: async (lab) => {
      const prefix = lab.tokens(12, 18);
      const question = lab.tokens(8, 19);
      const build = async () => {
        const { sequence } = await lab.prefill(prefix);
        await sequence.splice(await lab.encode(prefix, lab.tokens(20, 20)));
        await sequence.splice(await lab.encode(prefix, lab.tokens(20, 21)));
        return sequence;
      };
      const entries = Int32Array.of(33, 12, 40, 35, 51);
      const apart = await build();
      await apart.refresh(entries);
      const expected = await apart.append(question);
      const together = await build();
      const result = await lab.arena.forward([
        { kind: 'refresh', sequence: together, entries },
        { kind: 'append', sequence: together, tokens: question },
        { kind: 'refresh', sequence: together, entries: new Int32Array() },
      ]);
      sameNumbers(defined(result.logits, 'logits').rows, [12], 'row of the last token');
      lab.sameLogits(lab.row(result), lab.row(expected), 'in one batch');
      lab.sameKv(await lab.capture(together), await lab.capture(apart), 'KV');
    },
  },
  {
    name: 'two groups of one sequence follow each other',
    run: async (lab) => {
      const tokens = lab.tokens(30, 22);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      const result = await lab.arena.forward([
        { kind: 'append', sequence, tokens: tokens.slice(0, 18) },
        { kind: 'append', sequence, tokens: tokens.slice(18) },
      ]);
      sameNumbers(defined(result.logits, 'logits').rows, [17, 29], 'rows');
      sameNumbers(sequence.tokens, tokens, 'tokens');
      sameNumbers(sequence.positions, numbers(0, 30), 'positions');
      lab.sameLogits(lab.row(result), lab.row(full.result), 'two groups');
    },
  },
];
