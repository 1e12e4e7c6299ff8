import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  bestVariant,
  type ChunkRecord,
  type ChunkStore,
  chunkOf,
  forgetChunk,
  forgetChunks,
  InvalidArgumentError,
  memoryStore,
  putVariant,
  type RecordInfo,
  StoreError,
  type StoreEvent,
  tieredStore,
  variantKey,
  variantsOf,
} from '../../../lib/index.js';
import { sampleKey, sampleRecord } from '../../../lib/testing/index.js';
import { StandIn } from './tiered/support.js';

/** A record that remembers its usefulness. */
function scored(score: number | undefined, context: readonly string[] = []): ChunkRecord {
  const details = score === undefined ? {} : { details: { score } };
  const chunks = context.length > 0 ? { context: { chunks: context, warmupTokens: 0 } } : {};
  return { ...sampleRecord(), ...details, ...chunks };
}

/** A record that was encoded after tokens of its document. */
function warmed(documentId: string, warmupTokens: number): ChunkRecord {
  const source = { documentId, start: 0, end: 5 };
  return { ...sampleRecord(), source, context: { chunks: [], warmupTokens } };
}

function keyOf({ chunk, variant }: { chunk: number; variant: number }): string {
  return variant === 0 ? sampleKey(chunk) : sampleKey(chunk, variant);
}

const scoreOf = ({ details }: RecordInfo) => (details as { score?: number } | undefined)?.score;
const usefulness = (info: RecordInfo) => scoreOf(info) ?? 0;

async function keysOf(store: ChunkStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  return keys.sort();
}

test('the record that ranks highest is found, its own key included, and those that do not fit are not', async () => {
  const store = memoryStore();
  await store.put(sampleKey(1), scored(2));
  await store.put(sampleKey(1, 1), scored(7));
  await store.put(sampleKey(1, 2), scored(undefined));
  await store.put(sampleKey(2, 1), scored(9));
  expect(await variantsOf(store, sampleKey(1))).toHaveLength(3);
  expect((await bestVariant(store, sampleKey(1), scoreOf))?.info.key).toBe(sampleKey(1, 1));
  const lowest = await bestVariant(store, sampleKey(1), (info) => -usefulness(info));
  expect(lowest?.info.key).toBe(sampleKey(1, 2));
  expect(lowest?.record).toBe(await store.get(sampleKey(1, 2)));
  expect(await bestVariant(store, sampleKey(1), () => undefined)).toBeUndefined();
  expect(await bestVariant(store, sampleKey(3), scoreOf)).toBeUndefined();
});

test('of equals the one used last is found', async () => {
  const store = memoryStore();
  for (const variant of [1, 2, 3]) {
    await store.put(sampleKey(1, variant), { ...sampleRecord(), created: variant });
  }
  await store.get(sampleKey(1, 2));
  const found = await bestVariant(store, sampleKey(1), () => 1);
  expect(found?.info.key).toBe(sampleKey(1, 2));
});

test('where the best turns out to be bad, the next is taken', async () => {
  const store = new StandIn();
  for (const variant of [1, 2, 3]) await store.put(sampleKey(1, variant), scored(variant));
  const get = store.get.bind(store);
  store.get = async (key) => (key === sampleKey(1, 1) ? get(key) : undefined);
  expect((await bestVariant(store, sampleKey(1), scoreOf))?.info.key).toBe(sampleKey(1, 1));
  store.get = async () => undefined;
  expect(await bestVariant(store, sampleKey(1), scoreOf)).toBeUndefined();
});

test('what a load is worth is handed on', async () => {
  const store = memoryStore();
  await store.put(sampleKey(1), scored(1));
  const worths: unknown[] = [];
  const get = store.get.bind(store);
  store.get = (key, options) => {
    worths.push(options?.worth);
    return get(key, options);
  };
  const worth = { recomputeMs: 3, bytes: 4 };
  await bestVariant(store, sampleKey(1), scoreOf, { worth });
  expect(worths).toEqual([worth]);
});

test('of too many variants the least useful go, counted as evicted for it, and the chunk’s own record stays', async () => {
  const events: StoreEvent[] = [];
  const store = memoryStore({ onEvent: (event) => event.type === 'evict' && events.push(event) });
  await store.put(sampleKey(1), scored(0));
  const put = (variant: number, score: number) =>
    putVariant(store, sampleKey(1, variant), scored(score), { maxVariants: 2, usefulness });
  for (const [variant, score] of [
    [1, 5],
    [2, 3],
    [3, 4],
  ] as const) {
    expect(await put(variant, score)).toBe(true);
  }
  expect(await keysOf(store)).toEqual([sampleKey(1), sampleKey(1, 1), sampleKey(1, 3)]);
  // The newest is kept even where it is the least useful: others were as new once.
  await put(4, 1);
  expect(await keysOf(store)).toEqual([sampleKey(1), sampleKey(1, 1), sampleKey(1, 4)]);
  // The same variant again is no new one.
  await put(4, 2);
  expect(await keysOf(store)).toEqual([sampleKey(1), sampleKey(1, 1), sampleKey(1, 4)]);
  expect((await store.stats()).evictionsBy).toEqual({ variant: 2 });
  expect(events).toMatchObject([
    { key: sampleKey(1, 2), reason: 'variant' },
    { key: sampleKey(1, 3), reason: 'variant' },
  ]);
});

test('a variant that is not kept costs no other its place', async () => {
  const store = new StandIn();
  const options = { maxVariants: 1, usefulness };
  await putVariant(store, sampleKey(1, 1), scored(1), options);
  store.put = async () => false;
  expect(await putVariant(store, sampleKey(1, 2), scored(2), options)).toBe(false);
  expect(await keysOf(store)).toEqual([sampleKey(1, 1)]);
});

test('variants that saw nothing but a text of no document stay when text of their document goes', async () => {
  const store = memoryStore();
  const neutral = Int32Array.of(7, 8, 9);
  const kept = await variantKey(sampleKey(1), { warmup: neutral });
  const other = await variantKey(sampleKey(1), { warmup: Int32Array.of(7, 8) });
  for (const key of [kept, other]) await store.put(key, warmed('a', 3));
  const options = { documents: ['a'], neutral: [Int32Array.of(1), neutral] };
  expect(await forgetChunks(store, [sampleKey(9)], options)).toEqual([other]);
  expect(await keysOf(store)).toEqual([kept]);
  expect(await forgetChunks(store, [sampleKey(1)], options)).toEqual([kept]);
});

test('keys that are none, and bounds that are none, are refused', async () => {
  const store = memoryStore();
  const record = sampleRecord();
  const options = { maxVariants: 2, usefulness };
  const calls = [
    () => putVariant(store, sampleKey(1), record, options),
    () => putVariant(store, 'x', record, options),
    () => putVariant(store, sampleKey(1, 1), record, { ...options, maxVariants: 0 }),
    () => putVariant(store, sampleKey(1, 1), record, { ...options, maxVariants: Number.NaN }),
    () => bestVariant(store, sampleKey(1, 1), () => 1),
    () => variantsOf(store, '../x'),
    () => forgetChunk(store, 'x'),
  ];
  for (const call of calls) await expect(call()).rejects.toBeInstanceOf(InvalidArgumentError);
  expect(await keysOf(store)).toEqual([]);
});

test('the bound holds whatever is put in whatever order, and the most useful stay', async () => {
  const anyPut = fc.record({ chunk: fc.nat(1), variant: fc.nat(9), score: fc.nat(100) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyPut, { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      async (puts, most) => {
        const store = memoryStore();
        const model = [new Map<number, number>(), new Map<number, number>()] as const;
        for (const { chunk, variant, score } of puts) {
          // Scores that differ, so that the model need not know of times.
          const exact = score + variant / 100;
          const key = sampleKey(chunk, variant);
          await putVariant(store, key, scored(exact), { maxVariants: most, usefulness });
          const kept = model[chunk as 0 | 1];
          kept.set(variant, exact);
          const least = [...kept]
            .filter(([other]) => other !== variant)
            .sort(([, a], [, b]) => a - b)[0];
          if (kept.size > most && least) kept.delete(least[0]);
        }
        const expected = model.flatMap((kept, chunk) =>
          Array.from(kept.keys(), (variant) => sampleKey(chunk, variant)),
        );
        expect(await keysOf(store)).toEqual(expected.sort());
      },
    ),
    { numRuns: 100 },
  );
});

test('forgetting a chunk deletes its variants, and whatever attended to it, on and on', async () => {
  const store = memoryStore();
  const put = (key: string, ...context: string[]) => store.put(key, scored(1, context));
  await put(sampleKey(1));
  await put(sampleKey(1, 1), sampleKey(9));
  await put(sampleKey(2));
  await put(sampleKey(2, 1), sampleKey(3), sampleKey(1));
  await put(sampleKey(4, 1), sampleKey(1, 7));
  await put(sampleKey(5, 1), sampleKey(4, 1));
  await put(sampleKey(6, 1), sampleKey(5, 1));
  // These attended to other records of the same chunks, or to others.
  await put(sampleKey(6, 2), sampleKey(4), sampleKey(5, 2));
  await put(sampleKey(7, 1), sampleKey(2));
  const deleted = await forgetChunk(store, sampleKey(1));
  expect(deleted.sort()).toEqual(
    [
      sampleKey(1),
      sampleKey(1, 1),
      sampleKey(2, 1),
      sampleKey(4, 1),
      sampleKey(5, 1),
      sampleKey(6, 1),
    ].sort(),
  );
  expect(await keysOf(store)).toEqual([sampleKey(2), sampleKey(6, 2), sampleKey(7, 1)].sort());
  expect((await store.stats()).evictions).toBe(0);
});

test('variants encoded after text of a document that belongs to no chunk go with the document', async () => {
  const store = memoryStore();
  await store.put(sampleKey(1, 1), warmed('a', 12));
  await store.put(sampleKey(1, 2), warmed('a', 0));
  await store.put(sampleKey(1, 3), warmed('b', 12));
  expect(await forgetChunks(store, [], { documents: ['a'] })).toEqual([sampleKey(1, 1)]);
});

test('a variant whose notes cannot be read goes as well', async () => {
  const store = new StandIn();
  await store.put(sampleKey(2, 1), scored(1));
  await store.put(sampleKey(2), scored(1));
  store.before = (method) => {
    if (method === 'info') throw new Error('unreadable');
  };
  expect(await forgetChunk(store, sampleKey(1))).toEqual([sampleKey(2, 1)]);
});

test('what can be forgotten is, before a store that does not list all is told of', async () => {
  const dead = new StandIn();
  dead.before = (method) => {
    if (method !== 'close') throw new Error('down');
  };
  const fine = memoryStore();
  await fine.put(sampleKey(1), sampleRecord());
  await fine.put(sampleKey(2, 1), scored(1, [sampleKey(1)]));
  const store = tieredStore([fine, { store: dead, name: 'remote' }]);
  const forgotten = forgetChunk(store, sampleKey(1));
  await expect(forgotten).rejects.toBeInstanceOf(StoreError);
  await expect(forgotten).rejects.toThrow(/remote/);
  expect((await fine.stats()).records).toBe(0);
});

test('an abort ends forgetting with its reason', async () => {
  const store = memoryStore();
  for (let i = 0; i < 20; i++) await store.put(sampleKey(i, 1), scored(1));
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await expect(forgetChunk(store, sampleKey(1), { signal })).rejects.toBe(reason);
  await expect(variantsOf(store, sampleKey(1), { signal })).rejects.toBe(reason);
});

test('nothing that a forgotten chunk reached is left, and nothing else goes', async () => {
  const anyKey = fc.record({ chunk: fc.nat(5), variant: fc.integer({ min: 0, max: 3 }) });
  const anyRecord = fc.record({
    chunk: fc.nat(5),
    variant: fc.integer({ min: 1, max: 3 }),
    context: fc.array(anyKey, { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRecord, { maxLength: 25 }),
      fc.array(fc.nat(5), { maxLength: 2 }),
      async (records, forgotten) => {
        const store = memoryStore();
        const contexts = new Map<string, readonly string[]>();
        for (let chunk = 0; chunk < 6; chunk++) {
          await store.put(sampleKey(chunk), sampleRecord());
          contexts.set(sampleKey(chunk), []);
        }
        for (const { context, ...key } of records) {
          contexts.set(keyOf(key), context.map(keyOf));
          await store.put(keyOf(key), scored(1, context.map(keyOf)));
        }
        const chunks = forgotten.map((chunk) => sampleKey(chunk));
        const reached = (key: string, seen: ReadonlySet<string> = new Set()): boolean =>
          chunks.includes(chunkOf(key)) ||
          (!seen.has(key) &&
            (contexts.get(key) ?? []).some((other) => reached(other, new Set([...seen, key]))));
        const gone = [...contexts.keys()].filter((key) => reached(key));
        const left = [...contexts.keys()].filter((key) => !reached(key));
        expect((await forgetChunks(store, chunks)).sort()).toEqual(gone.sort());
        expect(await keysOf(store)).toEqual(left.sort());
      },
    ),
    { numRuns: 200 },
  );
});
