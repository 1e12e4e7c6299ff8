import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { gdsfPolicy } from '../../../../lib/store/eviction/gdsf.js';
import { lruPolicy } from '../../../../lib/store/eviction/lru.js';
import type { EvictionPolicy } from '../../../../lib/store/eviction/policy.js';
import { reusePolicy } from '../../../../lib/store/eviction/reuse.js';

const entry = (key: string, bytes = 100, computeMs = 10) => ({ key, bytes, computeMs });
const none = () => false;

type Act =
  | { readonly do: 'insert'; readonly key: string; readonly bytes: number; readonly ms: number }
  | { readonly do: 'touch'; readonly key: string; readonly overhead: number | undefined }
  | { readonly do: 'remove'; readonly key: string }
  | { readonly do: 'victim'; readonly kept: readonly string[]; readonly evict: boolean };

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('insert' as const),
      key,
      bytes: fc.integer({ min: 1, max: 50 }),
      ms: fc.integer({ min: 0, max: 50 }),
    }),
    fc.record({
      do: fc.constant('touch' as const),
      key,
      overhead: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    }),
    fc.record({ do: fc.constant('remove' as const), key }),
    fc.record({ do: fc.constant('victim' as const), kept: fc.array(key), evict: fc.boolean() }),
  ),
  { maxLength: 200 },
);

interface Model {
  bytes: number;
  ms: number;
  uses: number;
  saved: number;
  rank: number;
  used: number;
}

/** A policy written as its definition reads, by looking at every record each time. */
function naive(rank: (model: Model, floor: number) => number) {
  const models = new Map<string, Model>();
  let floor = 0;
  let clock = 0;
  const used = (model: Model, saved: number): void => {
    model.uses++;
    model.saved += saved;
    model.used = ++clock;
    model.rank = rank(model, floor);
  };
  return {
    insert(name: string, bytes: number, ms: number) {
      const known = models.get(name);
      const model = {
        bytes,
        ms,
        uses: known?.uses ?? 0,
        saved: known?.saved ?? 0,
        rank: 0,
        used: 0,
      };
      models.set(name, model);
      used(model, 1);
    },
    touch(name: string, overhead: number | undefined) {
      const model = models.get(name);
      if (model) used(model, 1 / Math.max(overhead ?? 1, 0.05));
    },
    remove: (name: string) => void models.delete(name),
    lowest(kept: readonly string[]) {
      const free = [...models].filter(([name]) => !kept.includes(name));
      const least = Math.min(...free.map(([, model]) => model.rank));
      return {
        names: free.filter(([, model]) => model.rank === least).map(([name]) => name),
        least,
      };
    },
    raise(to: number) {
      floor = Math.max(floor, to);
    },
  };
}

const ranks: Record<string, [() => EvictionPolicy, (model: Model, floor: number) => number]> = {
  lru: [lruPolicy, ({ used }) => used],
  gdsf: [
    gdsfPolicy,
    ({ uses, ms, bytes }, floor) => floor + (uses * Math.max(ms, Number.MIN_VALUE)) / bytes,
  ],
  reuse: [reusePolicy, ({ saved }, floor) => floor + saved],
};

describe.each(Object.entries(ranks))('%s', (_name, [create, rank]) => {
  test('picks as its definition says, whatever happened before', () => {
    fc.assert(
      fc.property(acts, (list) => {
        const policy = create();
        const model = naive(rank);
        for (const act of list) {
          if (act.do === 'insert') {
            policy.insert(entry(act.key, act.bytes, act.ms));
            model.insert(act.key, act.bytes, act.ms);
          } else if (act.do === 'touch') {
            policy.touch(
              act.key,
              act.overhead === undefined ? undefined : { fixOverhead: act.overhead },
            );
            model.touch(act.key, act.overhead);
          } else if (act.do === 'remove') {
            policy.remove(act.key);
            model.remove(act.key);
          } else {
            const victim = policy.victim((name) => act.kept.includes(name));
            const { names, least } = model.lowest(act.kept);
            if (victim === undefined) expect(names).toEqual([]);
            else {
              expect(names).toContain(victim);
              // One that is named and stays is none.
              if (act.evict) {
                model.raise(least);
                policy.remove(victim);
                model.remove(victim);
              }
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('names nobody when all are kept or none is there', () => {
    const policy = create();
    expect(policy.victim(none)).toBeUndefined();
    policy.insert(entry('a'));
    expect(policy.victim(() => true)).toBeUndefined();
    expect(policy.victim(none)).toBe('a');
    expect(policy.victim(none)).toBe('a');
    policy.remove('a');
    policy.touch('a');
    expect(policy.victim(none)).toBeUndefined();
  });
});

test('gdsf keeps what is dear for its size, and lets what was popular once grow old', () => {
  const policy = gdsfPolicy();
  policy.insert(entry('dear', 100, 1000));
  policy.insert(entry('cheap', 100, 1));
  policy.insert(entry('large', 10_000, 1000));
  expect(policy.victim(none)).toBe('cheap');
  policy.remove('cheap');
  expect(policy.victim(none)).toBe('large');
  policy.remove('large');
  for (let i = 0; i < 2000; i++) {
    const key = `fresh${i}`;
    policy.insert(entry(key, 100, 900));
    const victim = policy.victim(none);
    if (victim === 'dear') return;
    policy.remove(victim as string);
  }
  throw new Error('a record that nobody asks for any more stayed for ever');
});

test('an overhead that is known only afterwards counts as if it had been known at once', () => {
  const uses = [0.3, undefined, 0.02, 1, 0.5];
  for (const other of [2, 10, 50]) {
    const names = [true, false].map((isLate) => {
      const policy = reusePolicy();
      for (const name of ['measured', 'other']) policy.insert(entry(name));
      for (const fixOverhead of uses) {
        const use = fixOverhead === undefined ? undefined : { fixOverhead };
        if (!isLate) policy.touch('measured', use);
        else {
          policy.touch('measured');
          if (use) policy.touch('measured', { ...use, isCounted: true });
        }
      }
      for (let i = 0; i < other; i++) policy.touch('other');
      return policy.victim(none);
    });
    // 1 for coming, 3.3, 1, 20, 1 and 2 for the uses: 28.3 in all.
    expect(names).toEqual(other < 28 ? ['other', 'other'] : ['measured', 'measured']);
  }
});

test('a use that is counted afterwards is no second use', () => {
  const policy = gdsfPolicy();
  for (const name of ['often', 'reported']) policy.insert(entry(name));
  for (let i = 0; i < 3; i++) policy.touch('often');
  for (let i = 0; i < 2; i++) {
    policy.touch('reported');
    policy.touch('reported', { fixOverhead: 0.1, isCounted: true });
  }
  expect(policy.victim(none)).toBe('reported');
});

test('reuse keeps what needs little repair', () => {
  const policy = reusePolicy();
  for (const name of ['clean', 'damaged']) policy.insert(entry(name));
  policy.touch('clean', { fixOverhead: 0.1 });
  policy.touch('damaged', { fixOverhead: 0.9 });
  policy.touch('damaged', { fixOverhead: 0.9 });
  expect(policy.victim(none)).toBe('damaged');
});
