import { expect, test } from '@jest/globals';
import { array, assert, integer, property, shuffledSubarray, subarray } from 'fast-check';
import {
  groupPrefixes,
  InvalidArgumentError,
  type PlacedPassage,
  PrefixHistory,
} from '../../../lib/index.js';
import { seededRandom } from '../../../lib/random.js';

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const lengthOf = (id: string) => 1 + (id.charCodeAt(0) % 3);
const placed = (names: readonly string[]): PlacedPassage[] =>
  names.map((id) => ({ id, length: lengthOf(id) }));
const prompts = array(shuffledSubarray(ids), { maxLength: 12 });

/** By brute force: the length that a prompt shares with the best of earlier ones. */
function sharedLength(prompt: readonly string[], earlier: readonly (readonly string[])[]): number {
  const lengths = earlier.map((other) => {
    let at = 0;
    while (at < prompt.length && prompt[at] === other[at]) at++;
    return prompt.slice(0, at).reduce((sum, id) => sum + lengthOf(id), 0);
  });
  return Math.max(0, ...lengths);
}

function permutations(names: readonly string[]): string[][] {
  if (names.length === 0) return [[]];
  return names.flatMap((first) =>
    permutations(names.filter((id) => id !== first)).map((rest) => [first, ...rest]),
  );
}

test('no order of a set shares more with the history, and what is shared is told', () => {
  assert(
    property(prompts, subarray(ids, { maxLength: 5 }), (earlier, set) => {
      const history = new PrefixHistory();
      for (const prompt of earlier) history.record(prompt);
      const { order, shared, sharedLength: told } = history.order(placed(set));
      const prompt = order.map((i) => set[i] as string);
      expect([...prompt].sort()).toEqual([...set].sort());
      const best = Math.max(0, ...permutations(set).map((one) => sharedLength(one, earlier)));
      expect(told).toBe(best);
      expect(sharedLength(prompt, earlier)).toBe(best);
      expect(history.sharedWith(prompt)).toBe(shared);
      // So never less than in the order in which the passages were found.
      expect(told).toBeGreaterThanOrEqual(sharedLength(set, earlier));
    }),
    { numRuns: 300, seed: 4 },
  );
});

test('the order does not depend on how the set is given, and stays what it was once sent', () => {
  assert(
    property(prompts, shuffledSubarray(ids), integer(), (earlier, set, seed) => {
      const history = new PrefixHistory();
      for (const prompt of earlier) history.record(prompt);
      const orderOf = (given: readonly string[]) =>
        history.order(placed(given)).order.map((i) => given[i] as string);
      const prompt = orderOf(set);
      const random = seededRandom(seed >>> 0);
      const again = set.map((id) => ({ id, at: random() })).sort((a, b) => a.at - b.at);
      expect(orderOf(again.map(({ id }) => id))).toEqual(prompt);
      history.record(prompt);
      const { shared } = history.order(placed(set));
      expect(shared).toBe(set.length);
      // A history that was saved and read is the same.
      const copy = new PrefixHistory();
      for (const one of JSON.parse(JSON.stringify(history)) as string[][]) copy.record(one);
      expect(copy.order(placed(set))).toEqual(history.order(placed(set)));
    }),
    { numRuns: 200, seed: 5 },
  );
});

test('beyond its window a history is as if the oldest prompts had never been', () => {
  assert(
    property(prompts, integer({ min: 1, max: 4 }), shuffledSubarray(ids), (all, window, set) => {
      const history = new PrefixHistory({ window });
      for (const prompt of all) history.record(prompt);
      const fresh = new PrefixHistory();
      for (const prompt of all.slice(-window)) fresh.record(prompt);
      expect(history.size).toBe(Math.min(window, all.length));
      expect(history.order(placed(set))).toEqual(fresh.order(placed(set)));
    }),
    { numRuns: 200, seed: 6 },
  );
});

test('popular passages over many requests: far more is shared than in the order of retrieval', () => {
  const random = seededRandom(11);
  const corpus = Array.from({ length: 40 }, (_, i) => ({ id: `p${i}`, length: 100 }));
  const history = new PrefixHistory();
  const naive = new PrefixHistory();
  let [ordered, asFound, total] = [0, 0, 0];
  for (let request = 0; request < 400; request++) {
    const found = new Set<number>();
    // Some passages are found again and again, by ranks that vary.
    while (found.size < 4) found.add(Math.floor(corpus.length * random() ** 3));
    const set = [...found].map((i) => corpus[i] as PlacedPassage);
    const { order, shared } = history.order(set);
    history.record(order.map((i) => set[i]?.id as string));
    const names = set.map(({ id }) => id);
    asFound += naive.sharedWith(names);
    naive.record(names);
    ordered += shared;
    total += set.length;
  }
  expect(ordered).toBeGreaterThan(1.2 * asFound);
  expect(ordered).toBeLessThan(total);
});

/** Length to compute where all beginnings are cached, by brute force. */
function computed(requests: readonly (readonly string[])[]): number {
  const prefixes = new Set<string>();
  let sum = 0;
  for (const prompt of requests) {
    for (let end = 1; end <= prompt.length; end++) {
      const prefix = JSON.stringify(prompt.slice(0, end));
      if (!prefixes.has(prefix)) sum += lengthOf(prompt[end - 1] as string);
      prefixes.add(prefix);
    }
  }
  return sum;
}

test('groups of a batch: every request whole, never worse than given, and told right', () => {
  let [given, greedy, least] = [0, 0, 0];
  assert(
    property(array(shuffledSubarray(ids.slice(0, 4)), { maxLength: 4 }), (batch) => {
      const { requests, length, computedLength } = groupPrefixes(batch.map(placed));
      expect(requests.map(({ request }) => request).sort()).toEqual(batch.map((_, i) => i));
      const laid = requests.map(({ request, order }) => {
        const set = batch[request] as string[];
        expect([...order].sort()).toEqual(set.map((_, i) => i));
        return order.map((i) => set[i] as string);
      });
      expect(computedLength).toBe(computed(laid));
      expect(computedLength).toBeLessThanOrEqual(computed(batch));
      expect(length).toBe(batch.flat().reduce((sum, id) => sum + lengthOf(id), 0));
      given += computed(batch);
      greedy += computedLength;
      least += bestOf(batch);
    }),
    { numRuns: 40, seed: 7 },
  );
  expect(greedy).toBeLessThan(0.9 * given);
  expect(greedy).toBeLessThan(1.1 * least);
});

/** The least over all orders of all requests. */
function bestOf(batch: readonly (readonly string[])[]): number {
  let best = Infinity;
  const go = (i: number, chosen: string[][]): void => {
    if (i === batch.length) best = Math.min(best, computed(chosen));
    else for (const one of permutations(batch[i] as string[])) go(i + 1, [...chosen, one]);
  };
  // Orders of the first three only: enough to compare with.
  if (batch.length <= 3) go(0, []);
  return best === Infinity ? groupPrefixes(batch.map(placed)).computedLength : best;
}

test('requests with a common beginning follow each other', () => {
  const batch = [['x', 'a', 'b'], ['q'], ['c', 'a', 'b'], ['q', 'r'], ['b', 'a', 'd']];
  const { requests, computedLength } = groupPrefixes(
    batch.map((names) => names.map((id) => ({ id, length: 1 }))),
  );
  const places = [0, 2, 4].map((i) => requests.findIndex(({ request }) => request === i)).sort();
  expect((places[2] as number) - (places[0] as number)).toBe(2);
  // a and b once, then x, c, d; q once, then r.
  expect(computedLength).toBe(7);
});

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ id: `${i}`, length: 1 }));

test('as many passages as a prompt may have are ordered', () => {
  const history = new PrefixHistory();
  const most = many(1000);
  history.record(history.order(most).order.map((i) => most[i]?.id as string));
  expect(history.order(most.toReversed()).shared).toBe(1000);
});

test('refuses equal ids, too many passages, lengths that are none, and a window that is none', () => {
  const twice = placed(['a', 'a']);
  for (const wrong of [
    () => new PrefixHistory().order(twice),
    () => groupPrefixes([twice]),
    () => new PrefixHistory().order([{ id: 'a', length: NaN }]),
    () => groupPrefixes([[{ id: 'a', length: -1 }]]),
    () => new PrefixHistory({ window: 0 }),
    () => new PrefixHistory().order(many(1001)),
    () => groupPrefixes([many(10_000)]),
  ]) {
    expect(wrong).toThrow(InvalidArgumentError);
  }
});
