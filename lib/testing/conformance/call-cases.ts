import { ChunkweaveError } from '../../errors.js';
import { equal, fails, failsWith, ok, sameNumbers } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

/** Order of calls, abort, disposal. */
export const callCases: readonly ConformanceCase[] = [
  {
    name: 'calls on one sequence run in the order in which they were made',
    run: async (lab) => {
      const tokens = lab.tokens(40, 1);
      const full = await lab.prefill(tokens);
      const kv = await full.sequence.capture(span(10, 30));
      const sequence = lab.arena.createSequence();
      const [, , result, , captured] = await Promise.all([
        sequence.append(tokens.slice(0, 10)),
        sequence.splice(kv),
        sequence.append(tokens.slice(30)),
        sequence.refresh(Int32Array.of(35, 12)),
        sequence.capture(span(0, 40)),
        sequence.drop(span(30, 40)),
      ]);
      lab.sameLogits(lab.row(result), lab.row(full.result), 'the last append');
      lab.sameKv(captured, await lab.capture(full.sequence), 'captured before the drop');
      equal(sequence.length, 30, 'length after the drop');
    },
  },
  {
    name: 'many callers at once',
    run: async (lab) => {
      const prefix = lab.tokens(16, 2);
      const { sequence: base } = await lab.prefill(prefix);
      const tails = Array.from({ length: 6 }, (_, i) => lab.tokens(5 + i, 3 + i));
      const expected: Float32Array[] = [];
      for (const tail of tails) {
        const { sequence, result } = await lab.prefill(concat(prefix, tail));
        expected.push(lab.row(result).slice());
        sequence.dispose();
      }
      await Promise.all(
        tails.map(async (tail, i) => {
          const fork = base.fork();
          await fork.probe(tail);
          const result = await fork.append(tail);
          lab.sameLogits(lab.row(result), expected[i] as Float32Array, `caller ${i}`);
          fork.dispose();
        }),
      );
    },
  },
  {
    name: 'a failed call does not hold up the ones after it',
    run: async (lab) => {
      const tokens = lab.tokens(12, 9);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      const bad = Int32Array.of(lab.engine.model.vocabSize);
      const calls = [
        sequence.append(tokens.slice(0, 6)),
        fails(() => sequence.append(bad), 'INVALID_ARGUMENT', 'a bad token'),
        sequence.append(tokens.slice(6)),
      ] as const;
      const [, , result] = await Promise.all(calls);
      lab.sameLogits(lab.row(result), lab.row(full.result), 'the call after it');
    },
  },
  {
    name: 'a caller may reuse its arrays',
    run: async (lab) => {
      const tokens = lab.tokens(10, 10);
      const full = await lab.prefill(tokens);
      const sequence = lab.arena.createSequence();
      const mine = tokens.slice();
      const running = sequence.append(mine);
      mine.fill(tokens[0] as number);
      lab.sameLogits(lab.row(await running), lab.row(full.result), 'array changed meanwhile');
      sequence.tokens.fill(0);
      sequence.positions.fill(0);
      sameNumbers(sequence.tokens, tokens, 'tokens are a copy');
      sameNumbers(sequence.positions, numbers(0, 10), 'positions are a copy');
    },
  },
  {
    name: 'a call that was aborted before it began does nothing',
    run: async (lab) => {
      const reason = new Error('aborted by the test');
      const signal = AbortSignal.abort(reason);
      const { sequence } = await lab.prefill(lab.tokens(12, 11));
      const kv = await sequence.capture(span(2, 6));
      const tokens = lab.tokens(3, 12);
      await lab.unchanged(sequence, async () => {
        const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
          ['append', () => sequence.append(tokens, { signal })],
          ['refresh', () => sequence.refresh(span(2, 4), { signal })],
          ['probe', () => sequence.probe(tokens, { signal })],
          ['capture', () => sequence.capture(span(2, 6), { signal })],
          ['splice', () => sequence.splice(kv, { signal })],
          ['load', () => sequence.load(span(2, 6), kv, { signal })],
          ['move', () => sequence.move(span(2, 6), 1, { signal })],
          ['drop', () => sequence.drop(span(2, 6), { signal })],
          ['replace', () => sequence.replace(span(2, 6), tokens, { signal })],
          ['begin', () => lab.arena.begin([{ kind: 'append', sequence, tokens }], { signal })],
        ];
        for (const [what, call] of calls) await failsWith(call, reason, what);
      });
    },
  },
  {
    name: 'after an abort in the middle the engine works on',
    run: async (lab) => {
      const prefix = lab.tokens(10, 13);
      const long = lab.tokens(180, 14);
      const expected = await lab.prefill(concat(prefix, long));
      const exact = await lab.capture(expected.sequence);
      const { sequence } = await lab.prefill(prefix);
      const reason = new Error('aborted by the test');

      // Where the abort falls is up to the machine; what must hold, holds wherever it falls.
      for (const delay of [0, 1, 5]) {
        const fork = sequence.fork();
        const controller = new AbortController();
        const running = fork.append(long, {
          signal: controller.signal,
          onProgress: () => delay === 0 && controller.abort(reason),
        });
        if (delay > 0) setTimeout(() => controller.abort(reason), delay);
        const error = await running.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        ok(error === undefined || error === reason, `not the reason: ${String(error)}`);
        equal(fork.length, error ? 10 : 190, 'length after the abort');
        fork.dispose();
      }
      for (const delay of [0, 1, 5]) {
        const fork = expected.sequence.fork();
        const controller = new AbortController();
        const running = fork.refresh(span(10, 190), { signal: controller.signal });
        setTimeout(() => controller.abort(reason), delay);
        const error = await running.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        ok(error === undefined || error === reason, `not the reason: ${String(error)}`);
        equal(fork.length, 190, 'length after the abort');
        await fork.refresh(span(10, 190));
        lab.sameKv(await lab.capture(fork), exact, 'KV refreshed after the abort');
        fork.dispose();
      }
      const result = await sequence.append(long);
      lab.sameLogits(lab.row(result), lab.row(expected.result), 'after the aborts');
      lab.sameKv(await lab.capture(expected.sequence), exact, 'KV that was shared');
    },
  },
  {
    name: 'an edit that is aborted leaves the prompt as it was',
    run: async (lab) => {
      const tokens = lab.tokens(40, 21);
      const { sequence } = await lab.prefill(tokens);
      const reason = new Error('aborted by the test');
      for (const delay of [0, 1, 5]) {
        const fork = sequence.fork();
        const { free } = lab.arena;
        const controller = new AbortController();
        const running = fork.replace(span(10, 20), lab.tokens(100, 22), {
          signal: controller.signal,
          onProgress: () => delay === 0 && controller.abort(reason),
        });
        if (delay > 0) setTimeout(() => controller.abort(reason), delay);
        const error = await running.then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        if (error !== undefined) {
          ok(error === reason, `not the reason: ${String(error)}`);
          sameNumbers(fork.tokens, tokens, 'tokens');
          sameNumbers(fork.positions, numbers(0, 40), 'positions');
          ok(lab.arena.free >= free - 40, 'cells are lost');
          // Cells whose move was interrupted may be stale, but nothing wrong may pass for valid.
          const kv = await lab.capture(fork).catch(async (stale: unknown) => {
            ok(ChunkweaveError.isInstance(stale) && stale.code === 'STALE_CELL', String(stale));
            await fork.refresh(span(0, 40));
            return lab.capture(fork);
          });
          lab.sameKv(kv, await lab.capture(sequence), 'KV');
        }
        fork.dispose();
        equal(lab.arena.free, free, 'free cells');
      }
    },
  },
  {
    name: 'progress grows to one',
    run: async (lab) => {
      const shares: number[] = [];
      const sequence = lab.arena.createSequence();
      await sequence.append(lab.tokens(60, 15), { onProgress: (share) => shares.push(share) });
      ok(shares.length > 0, 'no progress was reported');
      shares.forEach((share, i) => {
        ok(share >= (shares[i - 1] ?? 0) && share <= 1, `progress ${shares.join(', ')}`);
      });
      ok((shares.at(-1) as number) > 0.999, `progress ends at ${shares.at(-1)}`);
    },
  },
  {
    name: 'a sequence may be disposed while its calls run',
    run: async (lab) => {
      const { free } = lab.arena;
      const sequence = lab.arena.createSequence();
      const running = sequence.append(lab.tokens(40, 16));
      sequence.dispose();
      await running;
      equal(lab.arena.free, free, 'free cells');
    },
  },
  {
    name: 'a disposed sequence refuses calls',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(8, 17));
      const { sequence: other } = await lab.prefill(lab.tokens(8, 18));
      const kv = await sequence.capture(span(0, 4));
      sequence.dispose();
      sequence[Symbol.dispose]();
      const tokens = lab.tokens(2, 19);
      const calls: readonly (readonly [string, () => unknown])[] = [
        ['append', () => sequence.append(tokens)],
        ['refresh', () => sequence.refresh(span(0, 1))],
        ['probe', () => sequence.probe(tokens)],
        ['capture', () => sequence.capture(span(0, 1))],
        ['splice', () => sequence.splice(kv)],
        ['load', () => sequence.load(span(0, 4), kv)],
        ['correct', () => sequence.correct(span(0, 1), { layers: { from: 0, to: 1 } })],
        ['move', () => sequence.move(span(0, 1), 1)],
        ['drop', () => sequence.drop(span(0, 1))],
        ['replace', () => sequence.replace(span(0, 1), tokens)],
        ['fork', () => sequence.fork()],
        ['adopt', () => sequence.adopt(other, span(0, 1))],
        ['being adopted', () => other.adopt(sequence, span(0, 1))],
        ['forward', () => lab.arena.forward([{ kind: 'append', sequence, tokens }])],
        ['begin', () => lab.arena.begin([{ kind: 'append', sequence, tokens }])],
      ];
      for (const [what, call] of calls) await fails(call, 'DISPOSED', what);
    },
  },
  {
    name: 'disposed arenas and engines refuse calls',
    run: async (lab) => {
      const engine = await lab.createEngine();
      const arena = await engine.createArena({ cells: 256 });
      const tokens = lab.tokens(4, 20);
      const sequence = arena.createSequence();
      await sequence.append(tokens);
      await arena.dispose();
      await arena.dispose();
      await fails(() => arena.createSequence(), 'DISPOSED', 'createSequence of a disposed arena');
      await fails(() => sequence.append(tokens), 'DISPOSED', 'append in a disposed arena');
      sequence.dispose();

      const second = await engine.createArena({ cells: 256 });
      const alive = second.createSequence();
      const running = alive.append(tokens);
      const disposing = engine.dispose();
      await running;
      await disposing;
      await engine.dispose();
      await fails(() => engine.createArena({ cells: 256 }), 'DISPOSED', 'createArena');
      await fails(() => engine.createSampler(), 'DISPOSED', 'createSampler');
      await fails(() => alive.append(tokens), 'DISPOSED', 'append on a disposed engine');
      await fails(() => second.createSequence(), 'DISPOSED', 'createSequence');
      alive.dispose();
      await second.dispose();
    },
  },
];
