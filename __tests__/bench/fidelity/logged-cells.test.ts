import { expect, test } from '@jest/globals';
import { memoryLog } from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import { loggedCells, pooledCells } from '../../../bench/fidelity/logged-cells.js';

const none = { warmup: 'text', policy: 'none', ratio: 0 };
const hybrid = { warmup: 'text', policy: 'hybrid', ratio: 0.1 };

async function logOf(...lines: unknown[]) {
  const log = memoryLog();
  for (const line of lines)
    await log.append(typeof line === 'string' ? line : JSON.stringify(line));
  return log;
}

test('the newest result of an arm on a case counts; failures and lines cut short are none', async () => {
  const log = await logOf(
    { about: {} },
    { case: 'a', arm: none, result: { kl: 1 } },
    { case: 'a', arm: hybrid, problem: 'no' },
    { case: 'a', arm: { ratio: 0, policy: 'none', warmup: 'text' }, result: { kl: 2 } },
    '{"case":"b","arm"',
  );
  expect(await loggedCells(log)).toEqual([
    { case: 'a', arm: { ratio: 0, policy: 'none', warmup: 'text' }, result: { kl: 2 } },
  ]);
});

test('cases that have all arms are pooled, under names of their own, without other arms', async () => {
  const other = { ...hybrid, ratio: 0.2 };
  const log = await logOf(
    { about: {} },
    ...['a', 'b'].map((id) => ({ case: id, arm: none, result: { kl: 1 } })),
    ...[hybrid, other].map((arm) => ({ case: 'a', arm, result: { kl: 0.5 } })),
  );
  const pooled = await pooledCells(log, [none, hybrid], 'x.jsonl');
  expect(pooled.map(({ case: id, arm }) => [id, arm])).toEqual([
    ['x.jsonl/a', none],
    ['x.jsonl/a', hybrid],
  ]);
  await expect(pooledCells(log, [none, { ...hybrid, ratio: 0.3 }], 'x.jsonl')).rejects.toThrow(
    InvalidArgumentError,
  );
});
