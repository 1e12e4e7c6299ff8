import { expect, test } from '@jest/globals';
import type { Cell } from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import type { ArmResult } from '../../../bench/fidelity/lab.js';
import { coverageFor } from '../../../bench/fidelity/policies.js';
import { replayTarget } from '../../../bench/fidelity/target-replay.js';

const cell = (id: string, policy: string, ratio: number, kl: number): Cell<ArmResult> => ({
  case: id,
  arm: { warmup: 'text', policy, ratio },
  result: { kl } as ArmResult,
});

/** Questions whose KL falls in a straight line with coverage, from what nothing recomputed gives. */
const cells = [0.1, 0.3].flatMap((none, i) => [
  cell(`${i}`, 'none', 0, none),
  ...[0.05, 0.1, 0.2].map((ratio) =>
    cell(`${i}`, 'adaptive', ratio, none * (1 - coverageFor(ratio))),
  ),
]);

test('a target within reach is come to', () => {
  const found = replayTarget(cells, { kl: 0.1, seed: 1 });
  expect(found.none).toBeCloseTo(0.2);
  expect(found.least).toBeCloseTo(0.2 * (1 - coverageFor(0.2)));
  expect(found.kl / 0.1).toBeCloseTo(1, 1);
  // Mean KL is 0.2 (1 - coverage).
  expect(found.coverage).toBeCloseTo(0.5, 1);
});

test('a target out of reach ends at the ends', () => {
  expect(replayTarget(cells, { kl: 0.001, seed: 1 }).kl).toBeCloseTo(0.2 * (1 - coverageFor(0.2)));
  expect(replayTarget(cells, { kl: 1, seed: 1 }).kl).toBeCloseTo(0.2, 1);
});

test('says what it needs', () => {
  const none = cells.filter(({ arm }) => (arm as { policy: string }).policy === 'none');
  expect(() => replayTarget(none, { kl: 0.1, seed: 1 })).toThrow(InvalidArgumentError);
});
