import { expect, test } from '@jest/globals';
import { ComputeQueue, type Turn } from '../../../adapters/ggml/compute-queue.js';

/** A queue over a clock of its own, which only its units move. */
function timedQueue() {
  let now = 0;
  const queue = new ComputeQueue(() => now);
  const log: string[] = [];
  return {
    log,
    now: () => now,
    /** Runs a unit that takes as long; done, its name goes to the log. */
    run: (name: string, turn: Turn, milliseconds: number) =>
      queue.run(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        now += milliseconds;
        log.push(name);
      }, turn),
  };
}

/** What a caller does between two units goes through several promises. */
async function between(): Promise<void> {
  for (let i = 0; i < 5; i++) await undefined;
}

test('units run one at a time, in the order in which they came, whatever fails', async () => {
  const queue = new ComputeQueue();
  const log: string[] = [];
  let running = 0;
  const unit =
    (name: string, fails = false) =>
    async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.push(name);
      running--;
      if (fails) throw new Error(name);
      return name;
    };
  const turns: readonly Turn[] = ['step', 'prompt', 'other', 'step', 'prompt', 'other'];
  const all = turns.map((turn, i) => queue.run(unit(String(i), i === 2), turn));
  expect(log).toEqual([]);
  const ends = await Promise.allSettled(all);
  expect(ends.map(({ status }) => status).indexOf('rejected')).toBe(2);
  expect([...log].sort()).toEqual(['0', '1', '2', '3', '4', '5']);
  expect(await queue.run(async () => 7)).toBe(7);
});

test('a prompt of many short units takes at most 1.5 times as long beside long steps, and one unit', async () => {
  const { run, now, log } = timedQueue();
  const state = { isOver: false };
  const answer = async (): Promise<void> => {
    while (!state.isOver) {
      await run('step', 'step', 16);
      await between();
    }
  };
  const answering = answer();
  while (log.length < 3) await new Promise((resolve) => setImmediate(resolve));
  const start = now();
  const stepsBefore = log.length;
  for (const milliseconds of [10, 9, 11, 10, 10, 10, 9, 11, 25, 200]) {
    await run('prompt', 'prompt', milliseconds);
    await between();
  }
  const took = now() - start;
  state.isOver = true;
  await answering;
  const alone = 305;
  // Turn by turn it would be 305 + 10 x 16. The answer goes on meanwhile.
  expect(took).toBeLessThanOrEqual(1.5 * alone + 16);
  expect(took).toBeLessThanOrEqual(alone + 105 / 2 + 2 * 16);
  expect(log.length - stepsBefore - 10).toBeGreaterThanOrEqual(3);
});

test('steps take every other turn where a prompt’s units are long, also two answers’', async () => {
  const { run, log } = timedQueue();
  const caller = async (name: string, turn: Turn, milliseconds: number): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      await run(name, turn, milliseconds);
      await between();
    }
  };
  await Promise.all([caller('a', 'step', 1), caller('b', 'step', 1), caller('p', 'prompt', 9)]);
  // The very first step is more than its share of nothing; from then on each answer goes on after each unit.
  expect(log).toEqual([...'apbapbapbapb']);
});

test('nothing overtakes a unit that is neither, so what frees memory comes after what uses it', async () => {
  const { run, log } = timedQueue();
  await Promise.all([
    run('step 1', 'step', 5),
    run('step 2', 'step', 1),
    run('prompt 1', 'prompt', 4),
    run('step 3', 'step', 1),
    run('free', 'other', 1),
    run('prompt 2', 'prompt', 4),
  ]);
  // The first step went beyond the share, so a prompt goes before the second; but not the one behind `free`.
  expect(log).toEqual(['step 1', 'prompt 1', 'step 2', 'step 3', 'free', 'prompt 2']);
});
