import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Cell } from '../../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../../lib/index.js';
import { seededRandom } from '../../../lib/random.js';
import type { ArmResult } from '../../../bench/fidelity/lab.js';
import { kindOf, policyNamed } from '../../../bench/fidelity/policies.js';
import { rank } from '../../../bench/tuning/rank.js';
import { candidatesOf, tunable } from '../../../bench/tuning/spaces.js';

test('candidates are distinct policies, their own settings first, the same for the same seed', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...tunable),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      (policy, trials, seed) => {
        const found = candidatesOf(policy, trials, seededRandom(seed));
        expect(found[0]).toBe(policy);
        expect(new Set(found).size).toBe(found.length);
        expect(found.length).toBeLessThanOrEqual(trials);
        for (const one of found) {
          expect(kindOf(one)).toBe(policy);
          expect(policyNamed(one, 0.1).name).toBeTruthy();
        }
        expect(candidatesOf(policy, trials, seededRandom(seed))).toEqual(found);
      },
    ),
  );
  expect(candidatesOf('question', 12, seededRandom(1))).toHaveLength(12);
  expect(candidatesOf('boundary', 12, seededRandom(1))).toEqual(['boundary']);
  expect(() => candidatesOf('random', 2, seededRandom(1))).toThrow(InvalidArgumentError);
});

const cell = (id: string, policy: string, ratio: number, kl: number): Cell<ArmResult> => ({
  case: id,
  arm: { warmup: 'text', policy, ratio },
  result: { kl, share: ratio } as ArmResult,
});

// Worked by hand: a curve from (0, none) through (0.1, kl), level from there; over 5 to 30%.
const byHand = (none: number, kl: number) =>
  (0.05 * (((none + kl) / 2 + kl) / 2) + 0.2 * kl) / 0.25 / none;

test('trials are ranked by the mean over data of their area as a share of what none has', () => {
  const data = [
    [
      cell('a', 'none', 0, 1),
      cell('a', 'question', 0.1, 0.5),
      cell('a', 'question@evenness=1', 0.1, 0.4),
    ],
    [
      cell('b', 'none', 0, 0.1),
      cell('b', 'question', 0.1, 0.02),
      cell('b', 'question@evenness=1', 0.1, 0.05),
    ],
  ];
  const [first, second] = rank(data).get('question')!;
  expect([first!.policy, second!.policy]).toEqual(['question', 'question@evenness=1']);
  expect(first!.area).toBeCloseTo((byHand(1, 0.5) + byHand(0.1, 0.02)) / 2, 10);
  expect(second!.area).toBeCloseTo((byHand(1, 0.4) + byHand(0.1, 0.05)) / 2, 10);
});

test('what failed on a case takes the case from all, what failed on a set of data takes part in nothing', () => {
  const cells = [
    cell('a', 'none', 0, 1),
    cell('b', 'none', 0, 1),
    cell('a', 'question', 0.1, 0.5),
    cell('b', 'question', 0.1, 0.01),
    cell('a', 'question@evenness=1', 0.1, 0.4),
  ];
  expect(rank([cells]).get('question')![0]!.policy).toBe('question@evenness=1');
  const other = cells.filter(({ arm }) => (arm as { policy: string }).policy !== 'question');
  expect(
    rank([cells, other])
      .get('question')!
      .map(({ policy }) => policy),
  ).toEqual(['question@evenness=1']);
});
