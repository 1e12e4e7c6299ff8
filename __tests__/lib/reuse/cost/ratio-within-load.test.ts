import { expect, test } from '@jest/globals';
import { deviationPolicy, InvalidArgumentError, ratioWithinLoad } from '../../../../lib/index.js';
import { plannedRatios } from '../policies/planned-ratios.js';

test.each([
  // Loading a token takes 0.3 ms, computing it 1: 30% is computed meanwhile.
  [{ loadMsPerToken: 0.3, msPerToken: 1 }, 0.3],
  // From a fast device quality decides, from a slow one all can be computed.
  [{ loadMsPerToken: 0.01, msPerToken: 1 }, 0.15],
  [{ loadMsPerToken: 0.01, msPerToken: 1, least: 0.05 }, 0.05],
  [{ loadMsPerToken: 7, msPerToken: 1 }, 1],
  [{ loadMsPerToken: 7, msPerToken: undefined }, 0.15],
])('%j gives %d', (options, ratio) => {
  expect(ratioWithinLoad(options)).toBe(ratio);
});

test.each([
  { loadMsPerToken: -1, msPerToken: 1 },
  { loadMsPerToken: NaN, msPerToken: 1 },
  { loadMsPerToken: 1, msPerToken: Infinity },
  { loadMsPerToken: 1, msPerToken: 1, least: 2 },
])('refuses %j', (options) => {
  expect(() => ratioWithinLoad(options)).toThrow(InvalidArgumentError);
});

test('the deviation policy takes what loading leaves time for', () => {
  const policy = deviationPolicy({ load: { loadMsPerToken: 0.4 }, filtering: 'once' });
  expect(plannedRatios(policy, { msPerToken: 1 })).toEqual([0.4]);
  expect(plannedRatios(policy, { msPerToken: 100 })).toEqual([0.15]);
  expect(plannedRatios(policy, {})).toEqual([0.15]);
  expect(() => deviationPolicy({ ratio: 0.2, load: { loadMsPerToken: 1 } })).toThrow('leave out');
  expect(() => deviationPolicy({ load: { loadMsPerToken: -1 } })).toThrow(InvalidArgumentError);
});
