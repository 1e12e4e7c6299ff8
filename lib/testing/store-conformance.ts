import { type ChunkKv, layerBytes, type LayerRange } from '../engine/chunk-kv.js';
import type { ChunkRecord, ChunkStore, RecordInfo } from '../store/chunk-store.js';
import { defined, equal, fails, failsWith, ok, sameNumbers } from './conformance/assert.js';
import type { ConformanceRunner } from './engine-conformance.js';
import { seededInteger, seededRandom } from '../random.js';

export interface StoreConformanceOptions {
  /** Makes an empty store that keeps at most `maxBytes`. The suite closes it. */
  readonly create: (options: { readonly maxBytes: number }) => Promise<ChunkStore> | ChunkStore;
  /** Begins the names of the tests; default `store`. */
  readonly name?: string;
  /** Whether the least recently used record goes first when the bound is reached; default true. */
  readonly evictsLeastRecentlyUsed?: boolean;
}

/** Checks any {@link ChunkStore} against the contract. Records are small; 2 MB are enough for all. */
export function storeConformance(
  runner: Pick<ConformanceRunner, 'test'>,
  options: StoreConformanceOptions,
): void {
  const { create, name = 'store', evictsLeastRecentlyUsed = true } = options;
  for (const [title, run] of Object.entries(evictsLeastRecentlyUsed ? allCases : cases)) {
    runner.test(`${name}: ${title}`, async () => {
      const opened: ChunkStore[] = [];
      const open = async (maxBytes = 2 ** 21) => {
        const store = await create({ maxBytes });
        opened.push(store);
        return store;
      };
      try {
        await run(open);
      } finally {
        for (const store of opened) await store.close();
      }
    });
  }
}

/** A small record. Equal seeds give equal records. */
export function sampleRecord(options: SampleRecordOptions = {}): ChunkRecord {
  const { seed = 1, tokens = 5, layers = 3, keyWidth = 8, valueWidth = 4 } = options;
  const { from = 0, to = layers } = options;
  const random = seededRandom(seed);
  const layout = { layers, keyWidth, valueWidth, type: 'f16' } as const;
  const data = new Uint8Array((to - from) * layerBytes(layout, tokens));
  for (let i = 0; i < data.length; i++) data[i] = seededInteger(random, 256);
  const ids = Int32Array.from({ length: tokens }, () => seededInteger(random, 50_000));
  return {
    kv: { fingerprint: `model-${seed}`, layout, tokens: ids, data, layers: { from, to } },
    computeMs: 10 * random(),
    created: 1_700_000_000_000 + seed,
  };
}

export interface SampleRecordOptions {
  readonly seed?: number;
  readonly tokens?: number;
  readonly layers?: number;
  readonly keyWidth?: number;
  readonly valueWidth?: number;
  /** Layers that the record holds; default all. */
  readonly from?: number;
  readonly to?: number;
}

/** A key for tests: of a chunk, or of one of its variants. */
export function sampleKey(number: number, variant?: number): string {
  const key = number.toString(16).padStart(64, '0');
  return variant === undefined ? key : `${key}.${variant.toString(16).padStart(32, '0')}`;
}

type Case = (open: (maxBytes?: number) => Promise<ChunkStore>) => Promise<void>;

const cases: Readonly<Record<string, Case>> = {
  'a record comes back as it was put': async (open) => {
    const store = await open();
    const shapes: SampleRecordOptions[] = [
      {},
      { tokens: 1, layers: 1 },
      { tokens: 7, keyWidth: 3, valueWidth: 5 },
      { tokens: 64, layers: 30, keyWidth: 32, valueWidth: 32 },
      { layers: 6, from: 2, to: 5 },
    ];
    for (const [i, shape] of shapes.entries()) {
      const record = sampleRecord({ seed: i, ...shape });
      equal(await store.put(sampleKey(i), record), true, 'put');
      sameRecord(await store.get(sampleKey(i)), record);
      equal(await store.has(sampleKey(i)), true, 'has');
    }
  },
  'notes come back as they were put': async (open) => {
    const store = await open();
    const record: ChunkRecord = {
      ...sampleRecord(),
      source: { documentId: 'notes/\u{1f9f6}.md', start: 3, end: 88 },
      context: { chunks: [sampleKey(7), sampleKey(8, 1)], warmupTokens: 12 },
      details: { cci: 0.625, attention: Uint8Array.of(1, 2, 255), inner: ['a', null, true] },
    };
    await store.put(sampleKey(1), record);
    const found = defined(await store.get(sampleKey(1)), 'the record');
    sameRecord(found, record);
    sameNotes(found, record);
    sameNotes(defined(await store.info(sampleKey(1)), 'info'), record);
  },
  'variants of a chunk are records of their own, listed under it': async (open) => {
    const store = await open();
    const keys = [sampleKey(1), sampleKey(1, 1), sampleKey(1, 2), sampleKey(2), sampleKey(2, 1)];
    for (const [seed, key] of keys.entries()) await store.put(key, sampleRecord({ seed }));
    for (const [seed, key] of keys.entries()) {
      sameRecord(await store.get(key), sampleRecord({ seed }));
    }
    equal((await keysOf(store)).join(), keys.toSorted().join(), 'all keys');
    equal((await keysOf(store, sampleKey(1))).join(), keys.slice(0, 3).join(), 'variants of one');
    equal((await keysOf(store, sampleKey(3))).length, 0, 'variants of none');
    equal(await store.delete(sampleKey(1)), true, 'delete');
    equal((await keysOf(store, sampleKey(1))).join(), keys.slice(1, 3).join(), 'those left');
  },
  'layers are read alone, one after another': async (open) => {
    const store = await open();
    const record = sampleRecord({ layers: 6, from: 1, to: 5, tokens: 9 });
    await store.put(sampleKey(1), record);
    const ranges: (LayerRange | undefined)[] = [
      undefined,
      { from: 0, to: 6 },
      { from: 2, to: 4 },
      { from: 3, to: 3 },
      { from: 5, to: 6 },
    ];
    for (const layers of ranges) {
      const read: ChunkKv[] = [];
      for await (const kv of store.getLayers(sampleKey(1), { ...(layers && { layers }) })) {
        read.push(kv);
      }
      const from = Math.max(1, layers?.from ?? 1);
      const to = Math.max(from, Math.min(5, layers?.to ?? 5));
      equal(
        read.map(({ layers: { from: layer } }) => layer).join(),
        range(from, to).join(),
        'layers',
      );
      for (const kv of read) {
        const bytes = layerBytes(record.kv.layout, 9);
        const at = (kv.layers.from - 1) * bytes;
        equal(kv.layers.to, kv.layers.from + 1, 'one layer');
        sameNumbers(kv.data, record.kv.data.subarray(at, at + bytes), 'data');
        sameNumbers(kv.tokens, record.kv.tokens, 'tokens');
        equal(kv.fingerprint, record.kv.fingerprint, 'fingerprint');
      }
    }
    for await (const kv of store.getLayers(sampleKey(2)))
      throw new Error(`a layer of nothing: ${kv}`);
    await fails(
      () => firstLayer(store.getLayers(sampleKey(1), { layers: { from: 3, to: 1 } })),
      'INVALID_ARGUMENT',
      'layers that are no range',
    );
  },
  'a reader may stop in the middle of the layers': async (open) => {
    const store = await open();
    await store.put(sampleKey(1), sampleRecord({ layers: 8 }));
    for (let run = 0; run < 20; run++) {
      for await (const kv of store.getLayers(sampleKey(1))) if (kv.layers.from === 2) break;
    }
    sameRecord(await store.get(sampleKey(1)), sampleRecord({ layers: 8 }));
  },
  'info tells what is kept and how it was used': async (open) => {
    const store = await open();
    const record = { ...sampleRecord(), created: Date.now() - 60_000 };
    equal(await store.info(sampleKey(1)), undefined, 'info of nothing');
    await store.put(sampleKey(1), record);
    const info = defined(await store.info(sampleKey(1)), 'info');
    equal(info.key, sampleKey(1), 'key');
    equal(info.fingerprint, record.kv.fingerprint, 'fingerprint');
    sameNumbers(info.tokens, record.kv.tokens, 'tokens');
    equal(info.created, record.created, 'created');
    equal(info.computeMs, record.computeMs, 'computeMs');
    equal(info.hits, 0, 'hits');
    ok(info.bytes > 0 && info.codec !== '', `${info.bytes} bytes as ${info.codec}`);
    await store.get(sampleKey(1));
    await store.get(sampleKey(1));
    await tick();
    const used = defined(await store.info(sampleKey(1)), 'info');
    equal(used.hits, 2, 'hits after two uses');
    ok(used.lastUsed > record.created, 'the last use');
    equal((await store.stats()).misses, 0, 'misses');
  },
  'uses that it did not see count as uses, and are no hits': async (open) => {
    const store = await open();
    if (!store.used) return;
    await store.put(sampleKey(1), { ...sampleRecord(), created: Date.now() - 60_000 });
    await store.used(sampleKey(1), { unseen: 3 });
    await store.used(sampleKey(1), { fixOverhead: 0.25 });
    await store.used(sampleKey(2), { unseen: 1, fixOverhead: 1 });
    await tick();
    const info = defined(await store.info(sampleKey(1)), 'info');
    equal(info.hits, 3, 'hits');
    ok(Date.now() - info.lastUsed < 30_000, 'the last use');
    equal(await store.has(sampleKey(2)), false, 'a record that is not there');
    const { hits, misses, records } = await store.stats();
    equal([hits, misses, records].join(), '0,0,1', 'hits, misses and records');
  },
  'what was never put is a miss': async (open) => {
    const store = await open();
    equal(await store.get(sampleKey(1)), undefined, 'get');
    equal(await store.has(sampleKey(1)), false, 'has');
    equal(await store.delete(sampleKey(1)), false, 'delete');
    equal((await keysOf(store)).length, 0, 'keys');
  },
  'hits, misses, records and bytes are counted': async (open) => {
    const store = await open();
    const record = sampleRecord();
    await store.put(sampleKey(1), record);
    await store.get(sampleKey(1));
    await store.get(sampleKey(1));
    await store.get(sampleKey(2));
    const stats = await store.stats();
    equal(stats.hits, 2, 'hits');
    equal(stats.misses, 1, 'misses');
    equal(stats.missesBy.absent, 1, 'misses for want of a record');
    equal(stats.saved.tokens, 2 * record.kv.tokens.length, 'tokens saved');
    equal(stats.saved.recomputeMs, 2 * record.computeMs, 'milliseconds saved');
    ok(stats.name !== '', 'a name');
    const { p50, p99 } = defined(stats.loadMs, 'load times');
    ok(p50 >= 0 && p99 >= p50, `${p50} and ${p99} ms`);
    equal(stats.records, 1, 'records');
    equal(stats.corrupt, 0, 'corrupt');
    ok(stats.bytes >= record.kv.data.byteLength, `${stats.bytes} bytes`);
    ok(stats.bytes <= stats.maxBytes, `${stats.bytes} bytes within ${stats.maxBytes}`);
  },
  'a second put takes the place of the first': async (open) => {
    const store = await open();
    await store.put(sampleKey(1), sampleRecord({ seed: 1, tokens: 9 }));
    const second = sampleRecord({ seed: 2, tokens: 4 });
    await store.put(sampleKey(1), second);
    sameRecord(await store.get(sampleKey(1)), second);
    equal((await store.stats()).records, 1, 'records');
  },
  'deleting, listing and clearing': async (open) => {
    const store = await open();
    for (let i = 0; i < 5; i++) await store.put(sampleKey(i), sampleRecord({ seed: i }));
    equal(await store.delete(sampleKey(2)), true, 'delete');
    equal(await store.get(sampleKey(2)), undefined, 'a deleted record');
    const listed = await keysOf(store);
    equal(listed.join(), [0, 1, 3, 4].map((number) => sampleKey(number)).join(), 'keys');
    await store.clear();
    equal((await keysOf(store)).length, 0, 'keys after clear');
    equal((await store.stats()).bytes, 0, 'bytes after clear');
    equal(await store.put(sampleKey(1), sampleRecord()), true, 'put after clear');
  },
  'records may be deleted while they are listed': async (open) => {
    const store = await open();
    for (let i = 0; i < 5; i++) await store.put(sampleKey(i), sampleRecord({ seed: i }));
    for await (const key of store.list()) await store.delete(key);
    equal((await store.stats()).records, 0, 'records');
  },
  'a key that is none is refused': async (open) => {
    const store = await open();
    const wrong = [
      '',
      'abc',
      '../'.repeat(20),
      `${sampleKey(1)}\0`,
      `${sampleKey(1)}.`,
      `${sampleKey(1)}.abc`,
      `${sampleKey(1)}\n`,
      sampleKey(1, 1).toUpperCase().replace('0', 'A'),
      'A'.repeat(64),
      'f'.repeat(10 * 2 ** 20),
    ];
    for (const key of wrong) {
      const calls: (() => unknown)[] = [
        () => store.get(key),
        () => store.has(key),
        () => store.delete(key),
        () => store.info(key),
        () => firstLayer(store.getLayers(key)),
        () => keysOf(store, key),
        () => store.put(key, sampleRecord()),
      ];
      for (const call of calls) await fails(call, 'INVALID_ARGUMENT', key.slice(0, 20));
    }
  },
  'a record whose bytes do not fit its shape is refused': async (open) => {
    const store = await open();
    const record = sampleRecord();
    const wrong: ChunkRecord[] = [
      { ...record, kv: { ...record.kv, data: record.kv.data.subarray(1) } },
      { ...record, kv: { ...record.kv, tokens: new Int32Array(0) } },
      { ...record, kv: { ...record.kv, layers: { from: 1, to: 9 } } },
      { ...record, computeMs: Number.NaN },
    ];
    for (const bad of wrong) {
      await fails(() => store.put(sampleKey(1), bad), 'INVALID_ARGUMENT', 'put');
    }
    equal(await store.has(sampleKey(1)), false, 'has');
  },
  'a record larger than the bound is not kept': async (open) => {
    const store = await open(2000);
    equal(await store.put(sampleKey(1), sampleRecord({ tokens: 500 })), false, 'put');
    equal(await store.get(sampleKey(1)), undefined, 'get');
  },
  'many calls at once': async (open) => {
    const store = await open();
    const records = Array.from({ length: 8 }, (_, seed) =>
      sampleRecord({ seed, tokens: 3 + seed }),
    );
    const work = Array.from({ length: 200 }, async (_, i) => {
      const number = i % records.length;
      const record = records[number] as ChunkRecord;
      if (i % 3 === 0) await store.put(sampleKey(number), record);
      const found = await store.get(sampleKey(number));
      if (found) sameRecord(found, record);
    });
    await Promise.all(work);
    equal((await store.stats()).corrupt, 0, 'corrupt');
  },
  'an abort is heard and leaves the store usable': async (open) => {
    const store = await open();
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await failsWith(() => store.get(sampleKey(1), { signal }), reason, 'get');
    await failsWith(() => store.put(sampleKey(1), sampleRecord(), { signal }), reason, 'put');
    equal(await store.put(sampleKey(1), sampleRecord()), true, 'put');
    equal(await store.has(sampleKey(1)), true, 'has');
  },
  'after close every call is refused': async (open) => {
    const store = await open();
    await store.put(sampleKey(1), sampleRecord());
    await store.close();
    await store.close();
    await fails(() => store.get(sampleKey(1)), 'DISPOSED', 'get');
    await fails(() => store.put(sampleKey(1), sampleRecord()), 'DISPOSED', 'put');
    await fails(() => store.has(sampleKey(1)), 'DISPOSED', 'has');
    await fails(() => store.info(sampleKey(1)), 'DISPOSED', 'info');
    await fails(() => keysOf(store), 'DISPOSED', 'list');
    await fails(() => store.clear(), 'DISPOSED', 'clear');
  },
};

const evictionCases: Readonly<Record<string, Case>> = {
  'the least recently used record goes first, and the bound holds': async (open) => {
    const probe = await open();
    await probe.put(sampleKey(1), sampleRecord());
    const { bytes } = await probe.stats();
    await probe.clear();
    const store = await open(Math.floor(3.5 * bytes));
    const put = async (number: number) => {
      equal(await store.put(sampleKey(number), sampleRecord({ seed: number })), true, 'put');
      await tick();
    };
    for (const number of [1, 2, 3]) await put(number);
    await store.get(sampleKey(1));
    await tick();
    await put(4);
    equal(await store.has(sampleKey(2)), false, 'the least recently used');
    for (const number of [1, 3, 4]) equal(await store.has(sampleKey(number)), true, `${number}`);
    for (let number = 5; number < 20; number++) {
      await put(number);
      const stats = await store.stats();
      ok(stats.bytes <= stats.maxBytes, `${stats.bytes} bytes within ${stats.maxBytes}`);
    }
    const stats = await store.stats();
    equal(stats.evictions, 16, 'evictions');
    equal(stats.evictionsBy.space, 16, 'evictions for space');
  },
};

const toldCases: Readonly<Record<string, Case>> = {
  'a record whose uses it is told of does not go first': async (open) => {
    const probe = await open();
    if (!probe.used) return;
    await probe.put(sampleKey(1), sampleRecord());
    const { bytes } = await probe.stats();
    await probe.clear();
    const store = await open(Math.floor(3.5 * bytes));
    for (let number = 1; number < 20; number++) {
      await store.put(sampleKey(number), sampleRecord({ seed: number }));
      await tick();
      await store.used?.(sampleKey(1), { unseen: 1 });
      await tick();
      equal(await store.has(sampleKey(1)), true, `the record in use after ${number}`);
    }
    equal((await store.stats()).records, 3, 'records');
  },
};

const allCases = { ...cases, ...evictionCases, ...toldCases };

function sameRecord(actual: ChunkRecord | undefined, expected: ChunkRecord): void {
  const record = defined(actual, 'the record');
  equal(record.kv.fingerprint, expected.kv.fingerprint, 'fingerprint');
  equal(JSON.stringify(record.kv.layout), JSON.stringify(expected.kv.layout), 'layout');
  equal(JSON.stringify(record.kv.layers), JSON.stringify(expected.kv.layers), 'layers');
  sameNumbers(record.kv.tokens, expected.kv.tokens, 'tokens');
  sameNumbers(record.kv.data, expected.kv.data, 'data');
  equal(record.computeMs, expected.computeMs, 'computeMs');
  equal(record.created, expected.created, 'created');
}

function sameNotes(actual: ChunkRecord | RecordInfo, expected: ChunkRecord): void {
  equal(plain(actual.source), plain(expected.source), 'source');
  equal(plain(actual.context), plain(expected.context), 'context');
  equal(plain(actual.details), plain(expected.details), 'details');
}

/** As text, with bytes as lists of numbers, whatever kind of array they come back in. */
function plain(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner instanceof Uint8Array) return [...inner];
    // A Buffer is turned into this before anyone is asked.
    const { type, data } = (inner ?? {}) as { type?: unknown; data?: unknown };
    return type === 'Buffer' ? data : inner;
  });
}

async function firstLayer(layers: AsyncIterable<ChunkKv>): Promise<ChunkKv | undefined> {
  for await (const kv of layers) return kv;
  return undefined;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

async function keysOf(store: ChunkStore, chunk?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list({ ...(chunk !== undefined && { chunk }) })) keys.push(key);
  return keys.sort();
}

/** Long enough for a file's time to differ. */
function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 12));
}
