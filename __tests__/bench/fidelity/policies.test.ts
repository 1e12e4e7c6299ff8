import { expect, test } from '@jest/globals';
import { InvalidArgumentError } from '../../../lib/index.js';
import { armsOf } from '../../../bench/fidelity/arms.js';
import { policyNamed } from '../../../bench/fidelity/policies.js';

const named = (policy: string) => policyNamed(policy, 0.2).name;

test('a name alone is the policy as it is by itself, settings behind it change it', () => {
  expect(named('deviation')).toBe('deviation(0.2, layer 1, both, gradual)');
  expect(named('deviation@checkLayer=0@compare=keys@filtering=once')).toBe(
    'deviation(0.2, layer 0, keys, once)',
  );
  expect(named('question@layers=15-17@neighbours=2')).toBe(
    'question(0.2, layers 15 16 17, 2 neighbours)',
  );
  expect(named('shift@strength=0.25')).toBe('question(0.2) + shift(0.25)');
  expect(named('context@focus=no')).toBe('context(0.2, no focus)');
});

test.each([
  ['nothing', 'no policy "nothing"'],
  ['question@layer=1', 'question has no "layer"'],
  ['none@ratio=1', 'it has none'],
  ['question@layers=20', 'layers is "20"'],
  ['question@layers=20-10', 'layers is "20-10"'],
  ['question@neighbours=few', '"few"'],
  ['deviation@compare=all', 'keys or values or both'],
  ['context@focus=maybe', 'yes or no'],
  ['question@evenness=7', 'evenness is 7'],
])('refuses %s before anything is computed', (policy, message) => {
  expect(() => armsOf(['prefix'], [policy], [0.1])).toThrow(InvalidArgumentError);
  expect(() => armsOf(['prefix'], [policy], [0.1])).toThrow(message);
});

test('settings and ratios of its own stand side by side', () => {
  expect(armsOf(['prefix'], ['question@neighbours=1:0.1:0.3', 'none'], [0.2])).toEqual([
    { warmup: 'prefix', policy: 'question@neighbours=1', ratio: 0.1 },
    { warmup: 'prefix', policy: 'question@neighbours=1', ratio: 0.3 },
    { warmup: 'prefix', policy: 'none', ratio: 0 },
  ]);
});
