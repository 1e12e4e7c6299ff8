import { equal, sameNumbers } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Sequences that share cells do not see each other's changes. */
export const sharingCases: readonly ConformanceCase[] = [
  {
    name: 'a fork shares cells and goes its own way',
    run: async (lab) => {
      const tokens = lab.tokens(30, 1);
      const { sequence } = await lab.prefill(tokens);
      const { free } = lab.arena;
      const fork = sequence.fork(20);
      equal(lab.arena.free, free, 'free cells after a fork');
      sameNumbers(fork.tokens, tokens.slice(0, 20), 'tokens of the fork');
      const tail = lab.tokens(10, 2);
      const result = await fork.append(tail);
      equal(lab.arena.free, free - 10, 'free cells after the append');
      equal(sequence.length, 30, 'length of the other');
      const full = await lab.prefill(concat(tokens.slice(0, 20), tail));
      lab.sameLogits(lab.row(result), lab.row(full.result), 'the fork');
    },
  },
  {
    name: 'writing to a shared cell copies it',
    run: async (lab) => {
      const prefix = lab.tokens(10, 3);
      const { sequence } = await lab.prefill(prefix);
      const place = await sequence.splice(await lab.encode(new Int32Array(), lab.tokens(20, 4)));
      const before = await lab.capture(sequence);
      const positions = sequence.positions;
      const { free } = lab.arena;

      const refreshed = sequence.fork();
      await refreshed.refresh(place);
      equal(lab.arena.free, free - 20, 'free cells after a refresh of shared ones');
      await refreshed.refresh(place);
      equal(lab.arena.free, free - 20, 'free cells after a second refresh');
      lab.sameKv(await lab.capture(sequence), before, 'KV beside a refresh');

      const moved = sequence.fork();
      await moved.move(place, 5);
      sameNumbers(moved.positions.slice(10), numbers(15, 35), 'positions moved');
      const corrected = sequence.fork();
      const values = new Float32Array(lab.engine.model.kv.valueWidth).fill(0.5);
      await corrected.correct(place, { layers: { from: 0, to: 1 }, values });
      const dropped = sequence.fork();
      await dropped.drop(span(0, 10));
      const replaced = sequence.fork();
      await replaced.replace(span(5, 8), lab.tokens(6, 5));
      lab.sameKv(await lab.capture(sequence), before, 'KV beside other changes');
      sameNumbers(sequence.positions, positions, 'positions beside other changes');

      for (const other of [refreshed, moved, corrected, dropped, replaced]) other.dispose();
      equal(lab.arena.free, free, 'free cells when the others are gone');
    },
  },
  {
    name: 'refreshing a shared token in one of two sequences of a batch',
    run: async (lab) => {
      const { sequence: a } = await lab.prefill(lab.tokens(6, 6));
      const place = await a.splice(await lab.encode(new Int32Array(), lab.tokens(12, 7)));
      const b = a.fork();
      const question = lab.tokens(5, 8);
      const plain = a.fork();
      const expected = await plain.append(question);
      const result = await lab.arena.forward([
        { kind: 'refresh', sequence: a, entries: numbers(place.start, place.end) },
        { kind: 'append', sequence: b, tokens: question },
      ]);
      lab.sameLogits(lab.row(result), lab.row(expected), 'the sequence that was not refreshed');
    },
  },
  {
    name: 'adopted entries keep their positions and outlive their owner',
    run: async (lab) => {
      const tokens = lab.tokens(40, 9);
      const full = await lab.prefill(tokens);
      const { free } = lab.arena;
      const sequence = lab.arena.createSequence();
      const first = sequence.adopt(full.sequence, span(0, 12));
      const second = sequence.adopt(full.sequence, span(12, 39));
      equal(lab.arena.free, free, 'free cells after adopting');
      sameNumbers([first.start, first.end, second.start, second.end], [0, 12, 12, 39], 'spans');
      sameNumbers(sequence.positions, numbers(0, 39), 'positions');
      full.sequence.dispose();
      const result = await sequence.append(tokens.slice(39));
      lab.sameLogits(lab.row(result), lab.row(full.result), 'after adopting', true);
    },
  },
  {
    name: 'all cells come back',
    run: async (lab) => {
      equal(lab.arena.free, lab.arena.cells, 'free cells at the start');
      const { sequence } = await lab.prefill(lab.tokens(20, 10));
      equal(lab.arena.free, lab.arena.cells - 20, 'free cells after a prefill');
      const fork = sequence.fork();
      const other = lab.arena.createSequence();
      other.adopt(fork, span(5, 10));
      await fork.refresh(Int32Array.of(2, 7));
      await fork.drop(span(0, 4));
      for (const each of [sequence, fork, other]) {
        each.dispose();
        each.dispose();
      }
      equal(lab.arena.free, lab.arena.cells, 'free cells at the end');
    },
  },
];
