import { expect, test } from '@jest/globals';
import { type Instance, makeInstance, worthOf } from '../../../bench/selection/instances.js';
import { optimumOf } from '../../../bench/selection/optimum.js';
import { bestByForce } from '../../lib/select/support.js';

const few = 13;

/** The same question with every other of its candidates, few enough to try all sets. */
function cut(instance: Instance): Instance {
  const kept = instance.candidates.map((_, i) => i).filter((i) => i % 2 === 0 && i < 2 * few);
  const places = (list: readonly number[]): number[] =>
    list.filter((place) => kept.includes(place)).map((place) => kept.indexOf(place));
  const picked = (list: Float64Array): Float64Array =>
    Float64Array.from(kept, (i) => list[i] as number);
  return {
    ...instance,
    budget: instance.budget / 2,
    candidates: kept.map((i) => instance.candidates[i] as Instance['candidates'][number]),
    facts: instance.facts.map(({ weight, told }) => ({ weight, told: picked(told) })),
    hops: instance.hops.map((hop) => ({
      ...hop,
      bridges: places(hop.bridges),
      ends: places(hop.ends),
    })),
    harm: picked(instance.harm),
  };
}

test('the best set by branch and bound is the best of all sets', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const instance = cut(makeInstance(seed));
    const costs = instance.candidates.map(({ chunk }) => chunk.tokens.length);
    const { members, worth, isProven } = optimumOf(instance);
    expect(isProven).toBe(true);
    expect(worth).toBeCloseTo(worthOf(instance, members), 12);
    const best = bestByForce(costs, instance.budget, (set) => worthOf(instance, set));
    expect(worth).toBeCloseTo(best, 10);
  }
});

test('an instance is as described: a pair that only counts whole, facts told twice, harm', () => {
  const instance = Array.from({ length: 30 }, (_, seed) => makeInstance(seed)).find(
    ({ hops }) => hops.length > 0,
  ) as Instance;
  const [{ weight, bridges, ends }] = instance.hops as [Instance['hops'][number]];
  const [bridge, end] = [bridges[0] as number, ends[0] as number];
  expect(worthOf(instance, [bridge])).toBe(0);
  expect(worthOf(instance, [end])).toBe(0);
  expect(worthOf(instance, [bridge, end])).toBeCloseTo(weight, 12);
  const harmful = instance.harm.findIndex((harm) => harm > 0);
  expect(worthOf(instance, [harmful])).toBeLessThan(0);
  const [fact] = instance.facts as [Instance['facts'][number]];
  const tellers = [...fact.told.keys()].filter((i) => (fact.told[i] as number) > 0);
  const alone = tellers.reduce((sum, teller) => sum + worthOf(instance, [teller]), 0);
  if (tellers.length > 1) expect(worthOf(instance, tellers)).toBeLessThan(alone);
  expect(instance.candidates.map(({ score }) => score)).toEqual(
    instance.candidates.map(({ score }) => score).toSorted((a, b) => b - a),
  );
});
