import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type ChunkRecord, gdsfPolicy, memoryStore, reusePolicy } from '../../../../lib/index.js';
import type { EvictionPolicyFactory } from '../../../../lib/store/eviction/policy.js';
import { recordBytes } from '../../../../lib/store/record.js';
import { seededInteger, seededRandom } from '../../../../lib/random.js';
import { sampleKey, sampleRecord, storeConformance } from '../../../../lib/testing/index.js';

const careful = { admission: true } as const;
const policies: Readonly<Record<string, EvictionPolicyFactory>> = {
  gdsf: () => gdsfPolicy(careful),
  reuse: () => reusePolicy(careful),
};

for (const [name, eviction] of Object.entries(policies)) {
  storeConformance(
    { test },
    {
      name: `memory, ${name} with admission`,
      create: (options) => memoryStore({ ...options, eviction }),
      evictsLeastRecentlyUsed: false,
    },
  );
}

const slots = 10;
const storeWith = (eviction: EvictionPolicyFactory) =>
  memoryStore({ maxBytes: slots * recordBytes(sampleRecord()), eviction });
const costing = (computeMs: number): ChunkRecord => ({ ...sampleRecord(), computeMs });

describe.each(Object.entries(policies))('%s', (_, eviction) => {
  test('what is wanted once pushes nothing out that is wanted often', async () => {
    const store = storeWith(eviction);
    for (let item = 0; item < slots; item++) {
      await store.put(sampleKey(item), costing(100));
      for (let use = 0; use < 5; use++) await store.get(sampleKey(item));
    }
    for (let item = 100; item < 104; item++) {
      expect(await store.put(sampleKey(item), costing(100))).toBe(false);
    }
    for (let item = 0; item < slots; item++) expect(await store.has(sampleKey(item))).toBe(true);
    expect(await store.stats()).toMatchObject({ evictions: 0, refused: 4 });
  });

  test('what is wanted again and again comes in, and is worth as much as it was wanted', async () => {
    const store = storeWith(eviction);
    for (let item = 0; item < slots; item++) {
      await store.put(sampleKey(item), costing(100));
      for (let use = 0; use < 5; use++) await store.get(sampleKey(item));
    }
    let tries = 1;
    while (!(await store.put(sampleKey(99), costing(100)))) tries++;
    expect(tries).toBeGreaterThan(1);
    expect(tries).toBeLessThanOrEqual(6);
    // It counts as often as it was wanted, so that others go before it.
    for (let item = 200; item < 205; item++) await store.put(sampleKey(item), costing(100));
    expect(await store.has(sampleKey(99))).toBe(true);
  });

  test('what was popular once does not stay for ever', async () => {
    const store = storeWith(eviction);
    for (let item = 0; item < slots; item++) {
      await store.put(sampleKey(item), costing(100));
      for (let use = 0; use < 50; use++) await store.get(sampleKey(item));
    }
    // None of them comes twice, so that nothing but age lets them in.
    let came = 0;
    for (let item = 1000; item < 3000; item++) {
      if (await store.put(sampleKey(item), costing(100))) came++;
    }
    expect(came).toBeGreaterThan(0);
    for (let item = 0; item < slots; item++) expect(await store.has(sampleKey(item))).toBe(false);
  });

  test('nothing is refused while there is room, and never what takes its own place', () => {
    const act = fc.record({ item: fc.nat(30), ms: fc.integer({ min: 0, max: 50 }) });
    return fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 80 }), async (acts) => {
        const store = storeWith(eviction);
        for (const { item, ms } of acts) {
          const had = await store.has(sampleKey(item));
          const { records } = await store.stats();
          const kept = await store.put(sampleKey(item), costing(ms));
          if (had || records < slots) expect(kept).toBe(true);
          const after = await store.stats();
          expect(after.records).toBe(kept && !had ? Math.min(slots, records + 1) : records);
          expect(await store.has(sampleKey(item))).toBe(had || kept);
        }
      }),
      { numRuns: 100 },
    );
  });
});

test('gdsf lets what is cheap to compute push nothing out that is dear', async () => {
  const store = storeWith(policies['gdsf'] as EvictionPolicyFactory);
  for (let item = 0; item < slots; item++) await store.put(sampleKey(item), costing(1000));
  expect(await store.put(sampleKey(50), costing(1))).toBe(false);
  expect(await store.put(sampleKey(51), costing(2000))).toBe(true);
});

async function hitsBetweenScans(eviction: EvictionPolicyFactory): Promise<number> {
  const store = storeWith(eviction);
  const random = seededRandom(1);
  let scanned = 100;
  const large = { ...sampleRecord({ tokens: 40 }), computeMs: 100 };
  for (let round = 0; round < 40; round++) {
    for (let use = 0; use < 12; use++) {
      const key = sampleKey(seededInteger(random, slots));
      if (!(await store.get(key))) await store.put(key, costing(100));
    }
    for (let item = 0; item < 30; item++) await store.put(sampleKey(scanned++), large);
  }
  return (await store.stats()).hits;
}

test('a scan of what is large for its cost takes fewer hits with admission than without', async () => {
  expect(await hitsBetweenScans(policies['gdsf'] as EvictionPolicyFactory)).toBeGreaterThan(
    await hitsBetweenScans(gdsfPolicy),
  );
});

async function hitsOfPopular(eviction: EvictionPolicyFactory): Promise<number> {
  const store = storeWith(eviction);
  const random = seededRandom(2);
  for (let request = 0; request < 6000; request++) {
    // Popularity falls with the number of the item.
    const key = sampleKey(Math.floor(100 ** random()) - 1);
    if (!(await store.get(key))) await store.put(key, costing(100));
  }
  return (await store.stats()).hits;
}

test('the uses of what was evicted are remembered, so that the popular come back and stay', async () => {
  for (const [careful, plain] of [
    [policies['gdsf'], gdsfPolicy],
    [policies['reuse'], reusePolicy],
  ] as const) {
    expect(await hitsOfPopular(careful as EvictionPolicyFactory)).toBeGreaterThan(
      1.01 * (await hitsOfPopular(plain)),
    );
  }
});
