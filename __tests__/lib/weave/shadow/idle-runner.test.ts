import { expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { IdleRunner } from '../../../../lib/weave/shadow/idle-runner.js';

/** A runner whose jobs end when they are told to; what happened is logged. */
function watched(most = 4) {
  const log: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const runner = new IdleRunner<string>({
    most,
    quietMs: 5,
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        log.push(`${job} begins`);
        ends.set(job, (error) => {
          log.push(`${job} ends`);
          if (error) reject(error);
          else resolve();
        });
        signal.addEventListener('abort', () => {
          log.push(`${job} aborted`);
          // What computes takes a while to stop.
          setTimeout(() => reject(signal.reason), 10);
        });
      }),
  });
  const until = async (line: string, count = 1) => {
    while (log.filter((entry) => entry === line).length < count) await sleep(1);
  };
  return { runner, log, ends, until };
}

test('jobs run one after another, and only while there is no work', async () => {
  const { runner, log, ends, until } = watched();
  const leave = runner.enter();
  const leaveToo = runner.enter();
  runner.add('a');
  runner.add('b');
  leave();
  await sleep(30);
  expect(log).toEqual([]);
  leaveToo();
  await until('a begins');
  await sleep(20);
  expect(log).toEqual(['a begins']);
  ends.get('a')!();
  await until('b begins');
  expect(runner.pending).toBe(1);
  ends.get('b')!(new Error('failed'));
  await sleep(20);
  expect(runner.pending).toBe(0);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

test('work aborts what runs at once, and it is tried again before others', async () => {
  const { runner, log, ends, until } = watched();
  runner.add('a');
  runner.add('b');
  await until('a begins');
  const leave = runner.enter();
  expect(log.at(-1)).toBe('a aborted');
  await sleep(30);
  expect(log).toHaveLength(2);
  leave();
  await until('a begins', 2);
  ends.get('a')!();
  await until('b begins');
  ends.get('b')!();
  expect(log.filter((line) => line === 'b begins')).toHaveLength(1);
});

test('short work that comes and goes while a job stops does not start a second one beside it', async () => {
  const { runner, log, until } = watched();
  runner.add('a');
  await until('a begins');
  runner.enter()();
  runner.enter()();
  await until('a begins', 2);
  expect(log.filter((line) => line.endsWith('begins'))).toHaveLength(2);
  await runner.dispose();
});

test('of too many the oldest that waits is dropped', async () => {
  const { runner, log, ends, until } = watched(2);
  runner.add('a');
  await until('a begins');
  runner.add('b');
  runner.add('c');
  expect(runner.dropped).toBe(1);
  expect(runner.pending).toBe(2);
  ends.get('a')!();
  await until('c begins');
  expect(log).not.toContain('b begins');
  await runner.dispose();
});

test('dispose waits for what it aborts, and nothing runs after it', async () => {
  const { runner, log, until } = watched();
  runner.add('a');
  runner.add('b');
  await until('a begins');
  const start = performance.now();
  await runner.dispose();
  expect(performance.now() - start).toBeGreaterThan(5);
  runner.add('c');
  runner.enter()();
  await sleep(30);
  expect(log).toEqual(['a begins', 'a aborted']);
});
