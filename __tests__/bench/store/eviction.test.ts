import { expect, test } from '@jest/globals';
import { belady, mostPossible } from '../../../bench/store/cache/optimum.js';
import { simulate } from '../../../bench/store/cache/simulate.js';
import type { Item, Run } from '../../../bench/store/cache/traces.js';
import { gdsfPolicy, lruPolicy, reusePolicy } from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/testing/index.js';

/** The most hits that any choice of what to keep gives, by trying all of them. */
function mostHits({ requests, items, capacity }: Run): number {
  const seen = new Map<string, number>();
  const best = (at: number, held: readonly number[]): number => {
    if (at === requests.length) return 0;
    const id = `${at} ${held.join()}`;
    const known = seen.get(id);
    if (known !== undefined) return known;
    const number = requests[at]!;
    const hit = held.includes(number) ? 1 : 0;
    const all = [...new Set([...held, number])].sort((a, b) => a - b);
    let most = 0;
    for (let choice = 0; choice < 2 ** all.length; choice++) {
      const kept = all.filter((_, i) => choice & (1 << i));
      const bytes = kept.reduce((sum, one) => sum + items[one]!.bytes, 0);
      if (bytes <= capacity) most = Math.max(most, best(at + 1, kept));
    }
    seen.set(id, hit + most);
    return hit + most;
  };
  return best(0, []) / requests.length;
}

function someRun(seed: number, sizes: number): Run {
  const random = seededRandom(seed);
  const items = Array.from({ length: 5 }, (): Item => ({
    bytes: 1 + seededInteger(random, sizes),
    computeMs: 1 + seededInteger(random, 50),
    fixOverhead: random(),
  }));
  const requests = Int32Array.from({ length: 14 }, () => seededInteger(random, items.length));
  return { requests, items, capacity: 2 * sizes };
}

test('Belady’s choice has the most hits where all items are of one size', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const run = someRun(seed, 1);
    expect(belady(run).hits).toBeCloseTo(mostHits(run), 10);
  }
});

test('no choice exceeds what is called possible, and every policy stays within', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const run = someRun(seed, 4);
    const most = mostPossible(run);
    const best = mostHits(run);
    expect(best).toBeLessThanOrEqual(most.hits + 1e-9);
    expect(belady(run).hits).toBeLessThanOrEqual(best + 1e-9);
    for (const make of [lruPolicy, gdsfPolicy, reusePolicy]) {
      for (const told of [false, true]) {
        const saved = simulate(run, { make, told });
        expect(saved.hits).toBeLessThanOrEqual(best + 1e-9);
        expect(saved.bytes).toBeLessThanOrEqual(most.bytes + 1e-9);
        expect(saved.compute).toBeLessThanOrEqual(most.compute + 1e-9);
      }
    }
  }
});

test('what is used last stays, in the order of uses, under LRU', () => {
  const items = Array.from({ length: 4 }, () => ({ bytes: 1, computeMs: 10, fixOverhead: 0.5 }));
  const requests = Int32Array.of(0, 1, 0, 2, 1, 0, 3, 0);
  const saved = simulate({ requests, items, capacity: 2 }, { make: lruPolicy, told: false });
  // Hits: the second 0, and the last.
  expect(saved).toEqual({ hits: 2 / 8, bytes: 2 / 8, compute: 1 / 8 });
});
