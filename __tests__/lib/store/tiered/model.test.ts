import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { type ChunkRecord, memoryStore, tieredStore } from '../../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../../lib/testing/index.js';
import { sleep, StandIn } from './support.js';

const keys = [0, 1, 2, 3].map((number) => sampleKey(number));
const records = Array.from({ length: 8 }, (_, seed) => sampleRecord({ seed, layers: 2 }));

type Step =
  | { readonly kind: 'put'; readonly key: number; readonly record: number }
  | { readonly kind: 'get' | 'layers' | 'delete' | 'has'; readonly key: number }
  | { readonly kind: 'clear' | 'list' | 'flush' | 'wait' };

const anyKey = fc.nat(keys.length - 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put'), key: anyKey, record: fc.nat(7) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('get', 'get', 'layers', 'delete', 'has'),
      key: anyKey,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('clear', 'list', 'flush', 'wait') }) },
) as fc.Arbitrary<Step>;

const runs = process.env.CHUNKWEAVE_SOAK ? 3000 : 150;

async function layersOf(store: ReturnType<typeof tieredStore>, key: string) {
  const bytes: number[] = [];
  for await (const { data } of store.getLayers(key)) bytes.push(...data);
  return bytes;
}

test('one call after another, it is a Map, whatever is queued and promoted meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
      const slow = new StandIn();
      slow.before = () => sleep(0);
      const store = tieredStore([
        memoryStore({ maxBytes: 1000 }),
        { store: memoryStore(), write: 'behind', queue: { maxRecords: 2 } },
        { store: slow, write: 'behind', queue: { maxBytes: 2000 } },
      ]);
      const map = new Map<string, ChunkRecord>();
      for (const step of steps) {
        const key = 'key' in step ? (keys[step.key] as string) : '';
        if (step.kind === 'put') {
          const record = records[step.record] as ChunkRecord;
          expect(await store.put(key, record)).toBe(true);
          map.set(key, record);
        } else if (step.kind === 'get') expect(await store.get(key)).toEqual(map.get(key));
        else if (step.kind === 'has') expect(await store.has(key)).toBe(map.has(key));
        else if (step.kind === 'delete') expect(await store.delete(key)).toBe(map.delete(key));
        else if (step.kind === 'layers') {
          expect(await layersOf(store, key)).toEqual([...(map.get(key)?.kv.data ?? [])]);
        } else if (step.kind === 'clear') {
          await store.clear();
          map.clear();
        } else if (step.kind === 'flush') await store.flush();
        else if (step.kind === 'wait') await sleep(1);
        else {
          const listed: string[] = [];
          for await (const name of store.list()) listed.push(name);
          expect(listed.toSorted()).toEqual([...map.keys()].toSorted());
        }
      }
      await store.flush();
      for (const key of keys) {
        expect(await store.get(key)).toEqual(map.get(key));
        expect(await slow.inner.get(key)).toEqual(map.get(key));
      }
      expect(store.backlog().map(({ records: left, bytes }) => left + bytes)).toEqual([0, 0, 0]);
      await store.close();
    }),
    { numRuns: runs },
  );
});

/** Calls at once, over tiers that fail and hang: what may be read is what was put since the last deletion. */
test('with tiers that fail and hang, nothing that was deleted is ever read', async () => {
  const trouble = fc.array(fc.constantFrom('fine', 'fine', 'slow', 'fails', 'hangs'), {
    minLength: 1,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(anyStep, { minLength: 1, maxLength: 4 }), { maxLength: 15 }),
      trouble,
      async (rounds, troubles) => {
        let call = 0;
        const unsteady = () => {
          const store = new StandIn();
          store.before = async (method) => {
            if (method === 'close') return;
            const how = troubles[call++ % troubles.length];
            if (how === 'slow') await sleep(1);
            if (how === 'fails') throw new Error('no');
            if (how === 'hangs') await sleep(12);
          };
          return store;
        };
        const patience = { deadlineMs: 4, writeDeadlineMs: 4 };
        const circuit = { failures: 3, coolDownMs: 2, maxCoolDownMs: 8 };
        const store = tieredStore([
          { store: unsteady(), name: 'a', ...patience, circuit },
          { store: unsteady(), name: 'b', ...patience, circuit, write: 'behind' },
        ]);
        const allowed = new Map(keys.map((key) => [key, new Set<ChunkRecord>()]));
        for (const round of rounds) {
          // Calls of a round run at once; those of one key that change it do not.
          const changed = new Set<number>();
          const calls: Promise<unknown>[] = [];
          for (const step of round) {
            if (!('key' in step)) continue;
            const key = keys[step.key] as string;
            if (step.kind === 'get') {
              const before = new Set(allowed.get(key));
              const get = async () => {
                const record = await store.get(key);
                const may = new Set([...before, ...(allowed.get(key) ?? [])]);
                if (record) expect([...may]).toContain(record);
              };
              calls.push(get());
            }
            if (changed.has(step.key)) continue;
            if (step.kind === 'put') {
              changed.add(step.key);
              const record = records[step.record] as ChunkRecord;
              allowed.get(key)?.add(record);
              calls.push(store.put(key, record));
            }
            if (step.kind === 'delete') {
              changed.add(step.key);
              calls.push(store.delete(key));
            }
          }
          await Promise.all(calls);
          for (const step of round) {
            if (step.kind !== 'delete' || !changed.has(step.key)) continue;
            const key = keys[step.key] as string;
            const change = round.find(
              (other) =>
                (other.kind === 'put' || other.kind === 'delete') && other.key === step.key,
            );
            if (change !== step) continue;
            allowed.get(key)?.clear();
            expect(await store.get(key)).toBeUndefined();
            expect(await store.has(key)).toBe(false);
          }
        }
        await store.close().catch(() => {});
      },
    ),
    { numRuns: Math.ceil(runs / 2) },
  );
}, 120_000);
