import { seededInteger, seededRandom } from '../../random.js';
import type { VectorEntry, VectorMetric, VectorQueryOptions } from '../../retrieve/vector-index.js';
import { metrics } from '../../retrieve/vectors/entries.js';
import { equal, fails, failsWith, ok } from './assert.js';
import {
  bruteForce,
  closeTo,
  everything,
  hitsAmong,
  idsOf,
  plainScore,
  sampleEntries,
  sampleVectors,
  sized,
  type VectorCase,
} from './vector-lab.js';

const vector = (...numbers: number[]): Float32Array => Float32Array.from(numbers);

/** Adding, replacing, removing and finding. */
export const vectorCases: Readonly<Record<string, VectorCase>> = {
  'an empty index finds nothing': async ({ create }) => {
    const index = await create();
    equal(await index.size(), 0, 'size');
    equal(index.dimensions, 8, 'dimensions');
    equal(index.metric, 'cosine', 'metric');
    equal(index.fingerprint, 'sample embedder', 'fingerprint');
    equal((await everything(index)).length, 0, 'matches');
    equal(await index.remove(['x', 'y']), 0, 'removed');
    await index.add([]);
    await index.upsert([]);
    equal(await index.remove([]), 0, 'removed');
    await index.clear();
    equal(await index.size(), 0, 'size after clear');
  },
  'scores are those of the metric': async ({ create }) => {
    for (const metric of metrics) {
      const index = await create({ metric, embedder: sized(3) });
      const entries = [
        vector(3, 0, 0),
        vector(1, 2, -2),
        vector(-1, 0, 0.5),
        vector(0, 1e-3, 1e-3),
      ];
      await index.add(entries.map((vector, i) => ({ id: `e${i}`, vector })));
      const query = vector(2, 1, 0.5);
      const found = await index.query(query, { k: 4 });
      equal(idsOf(found), idsOf(bruteForce(named(entries), query, 4, metric)), metric);
      for (const { id, score, metadata } of found) {
        const own = entries[Number(id.slice(1))] as Float32Array;
        ok(closeTo(score, plainScore(own, query, metric)), `${metric} of ${id}: ${score}`);
        equal(JSON.stringify(metadata), '{}', 'metadata where there are none');
      }
    }
  },
  'entries of equal score come by their ids': async ({ create }) => {
    const index = await create();
    const [one] = sampleVectors(1, 8) as [Float32Array];
    const ids = ['b', 'a', '\u{1f9f6}', '\uffee', 'B', 'é', '10', '9'];
    await index.add(ids.map((id) => ({ id, vector: one })));
    const found = await index.query(one, { k: 8 });
    equal(idsOf(found), '10,9,B,a,b,é,\uffee,\u{1f9f6}', 'order');
  },
  'k is a whole number of at least 1, and may be more than there are': async ({ create }) => {
    const index = await create();
    const entries = sampleEntries(5);
    await index.add(entries);
    const query = (entries[0] as VectorEntry).vector;
    for (const k of [0, -1, 1.5, Number.NaN, Infinity, '3', undefined]) {
      const options = { k } as VectorQueryOptions;
      await fails(() => index.query(query, options), 'INVALID_ARGUMENT', `k of ${String(k)}`);
    }
    for (const k of [1, 4, 5, 6, 1_000_000]) {
      equal((await index.query(query, { k })).length, Math.min(k, 5), `matches for k of ${k}`);
    }
  },
  'vectors that are none are refused before anything is changed': async ({ create }) => {
    for (const metric of metrics) {
      const index = await create({ metric });
      const [good] = sampleEntries(1) as [VectorEntry];
      await index.add([good]);
      const bad: unknown[] = [
        new Float32Array(7).fill(1),
        new Float32Array(9).fill(1),
        new Float32Array(0),
        good.vector.map((value, i) => (i === 3 ? Number.NaN : value)),
        good.vector.map((value, i) => (i === 7 ? Infinity : value)),
        good.vector.map((value, i) => (i === 0 ? -Infinity : value)),
        new Float32Array(8).fill(1e30),
        Array.from(good.vector),
        Float64Array.from(good.vector),
        null,
        undefined,
      ];
      if (metric === 'cosine') bad.push(new Float32Array(8));
      for (const wrong of bad as Float32Array[]) {
        const entries = [
          { id: 'new', vector: good.vector },
          { id: 'bad', vector: wrong },
        ];
        await fails(() => index.add(entries), 'INVALID_ARGUMENT', 'add');
        await fails(() => index.upsert(entries), 'INVALID_ARGUMENT', 'upsert');
        await fails(() => index.query(wrong, { k: 1 }), 'INVALID_ARGUMENT', 'query');
      }
      equal(idsOf(await everything(index)), 'e0', 'what is there');
    }
  },
  'a vector of zeros has a product and a distance': async ({ create }) => {
    for (const metric of ['dot', 'euclidean'] as const) {
      const index = await create({ metric, embedder: sized(2) });
      await index.add([{ id: 'zeros', vector: vector(0, 0) }]);
      const [found] = await index.query(vector(3, 4), { k: 1 });
      equal(Math.abs(found?.score ?? 1), metric === 'dot' ? 0 : 5, `score by ${metric}`);
      const [again] = await index.query(vector(0, 0), { k: 1 });
      equal(Math.abs(again?.score ?? 1), 0, `score of zeros by ${metric}`);
    }
  },
  'very small and very large vectors are compared': async ({ create }) => {
    for (const scale of [1e-30, 1e-9, 1e9, 1e17]) {
      const index = await create();
      const entries = sampleEntries(20);
      await index.add(entries.map((one) => ({ ...one, vector: one.vector.map((v) => v * scale) })));
      const query = (entries[7] as VectorEntry).vector;
      const found = await index.query(query, { k: 20 });
      equal(
        hitsAmong(found, bruteForce(entries, query, 20, 'cosine'), scoreBy(entries, query)),
        20,
        `hits at ${scale}`,
      );
    }
  },
  'ids and metadata that are none are refused before anything is changed': async ({ create }) => {
    const index = await create();
    const [{ vector }] = sampleEntries(1) as [VectorEntry];
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const bad: unknown[] = [
      { id: '', vector },
      { id: 7, vector },
      { vector },
      { id: 'nul\0', vector },
      { id: 'half \ud83e', vector },
      null,
      'entry',
      { id: 'm', vector, metadata: [] },
      { id: 'm', vector, metadata: 'text' },
      { id: 'm', vector, metadata: { a: Number.NaN } },
      { id: 'm', vector, metadata: { a: [1, { b: Infinity }] } },
      { id: 'm', vector, metadata: { a: 1n } },
      { id: 'm', vector, metadata: { a: () => 1 } },
      { id: 'm', vector, metadata: { a: new Date() } },
      { id: 'm', vector, metadata: { a: new Map() } },
      { id: 'm', vector, metadata: { a: 'nul\0' } },
      { id: 'm', vector, metadata: { 'half \ud83e': 1 } },
      { id: 'm', vector, metadata: cycle },
    ];
    for (const [i, entry] of (bad as VectorEntry[]).entries()) {
      const entries = [{ id: 'good', vector }, entry];
      await fails(() => index.add(entries), 'INVALID_ARGUMENT', `add of ${i}`);
      await fails(() => index.upsert(entries), 'INVALID_ARGUMENT', `upsert of ${i}`);
    }
    await fails(() => index.add('x' as unknown as []), 'INVALID_ARGUMENT', 'no array');
    await fails(() => index.remove(['']), 'INVALID_ARGUMENT', 'removal of no id');
    await fails(() => index.remove([7] as unknown as string[]), 'INVALID_ARGUMENT', 'a number');
    equal(await index.size(), 0, 'size');
  },
  'metadata come back as they were, whoever changes them': async ({ create }) => {
    const index = await create();
    const [{ vector }] = sampleEntries(1) as [VectorEntry];
    const tags = ['a', "b'; DROP TABLE chunks; --", '$1', '\\', '"', '\u{1f9f6}'];
    const metadata = {
      tags,
      page: 3,
      share: 0.1,
      small: 5e-324,
      open: true,
      nothing: null,
      ['quo"te\'s']: { deep: [[1], {}] },
      ['__proto__x']: 1,
    };
    const before = JSON.stringify(metadata);
    const given = vector.slice();
    await index.add([{ id: "it's", vector: given, metadata: { ...metadata, no: undefined } }]);
    given.fill(9);
    tags.push('later');
    const [found] = await index.query(vector, { k: 1 });
    equal(sorted(found?.metadata), sorted(JSON.parse(before)), 'metadata');
    ok(closeTo(found?.score ?? 0, 1), 'the vector is the one that was given');
  },
  'an id is added once': async ({ create }) => {
    const index = await create();
    const [a, b, c] = sampleEntries(3) as [VectorEntry, VectorEntry, VectorEntry];
    await fails(() => index.add([a, b, { ...c, id: 'e0' }]), 'INVALID_ARGUMENT', 'twice in a call');
    equal(await index.size(), 0, 'size');
    await index.add([a]);
    await fails(() => index.add([b, a]), 'INVALID_ARGUMENT', 'there already');
    equal(idsOf(await everything(index)), 'e0', 'what is there');
  },
  'upsert replaces an entry as a whole, and the last one of an id counts': async ({ create }) => {
    const index = await create();
    const [a, b, c] = sampleEntries(3) as [VectorEntry, VectorEntry, VectorEntry];
    await index.add([a, b]);
    await index.upsert([{ id: 'e0', vector: b.vector }, c, { id: 'e0', vector: c.vector }]);
    equal(await index.size(), 3, 'size');
    const found = await index.query(c.vector, { k: 2 });
    equal(idsOf(found), 'e0,e2', 'the nearest');
    ok(closeTo(found[0]?.score ?? 0, 1), 'the score of the last vector');
    equal(JSON.stringify(found[0]?.metadata), '{}', 'metadata of the one replaced are gone');
  },
  'removal takes what is there and leaves what is not': async ({ create }) => {
    const index = await create();
    await index.add(sampleEntries(6));
    equal(await index.remove(['e1', 'nobody', 'e1', 'e4']), 2, 'removed');
    equal(await index.remove(['e1']), 0, 'removed again');
    equal(await index.size(), 4, 'size');
    const ids = (await everything(index)).map(({ id }) => id).sort();
    equal(ids.join(), 'e0,e2,e3,e5', 'what is left');
  },
  'clear removes all, and what was there can be added again': async ({ create }) => {
    const index = await create();
    const entries = sampleEntries(30);
    await index.add(entries);
    await index.clear();
    equal(await index.size(), 0, 'size');
    equal((await everything(index)).length, 0, 'matches');
    await index.add(entries);
    const query = (entries[9] as VectorEntry).vector;
    equal((await index.query(query, { k: 1 }))[0]?.id, 'e9', 'the nearest');
  },
  'a thousand queries agree with brute force': async ({ create, minRecall }) => {
    const dimensions = 16;
    const entries = sampleEntries(400, dimensions);
    const queries = sampleVectors(1000, dimensions, 77);
    let hits = 0;
    for (const [m, metric] of metrics.entries()) {
      const index = await create({ metric, embedder: sized(dimensions) });
      await index.add(entries);
      for (let i = m; i < queries.length; i += metrics.length) {
        const query = queries[i] as Float32Array;
        const expected = bruteForce(entries, query, 10, metric);
        const found = await index.query(query, { k: 10 });
        hits += hitsAmong(found, expected, scoreBy(entries, query, metric));
      }
    }
    const recall = hits / (10 * queries.length);
    ok(recall >= minRecall, `recall@10 of ${recall} is below ${minRecall}`);
  },
  'after many changes it is what it would be made afresh': async ({ create, minRecall }) => {
    const index = await create();
    const random = seededRandom(5);
    const held = new Map<string, VectorEntry>();
    const vectors = sampleVectors(400, 8, 9);
    const entryOf = (number: number): VectorEntry => ({
      id: `e${number}`,
      vector: vectors[seededInteger(random, vectors.length)] as Float32Array,
      metadata: { number },
    });
    for (let round = 0; round < 40; round++) {
      const some = [...new Set(Array.from({ length: 20 }, () => seededInteger(random, 150)))];
      if (round % 3 === 2) {
        const ids = some.map((number) => `e${number}`);
        const there = ids.filter((id) => held.delete(id)).length;
        equal(await index.remove(ids), there, 'removed');
        continue;
      }
      const entries = some.map(entryOf);
      const fresh = entries.filter(({ id }) => !held.has(id));
      for (const entry of round % 3 === 0 ? entries : fresh) held.set(entry.id, entry);
      await (round % 3 === 0 ? index.upsert(entries) : index.add(fresh));
    }
    equal(await index.size(), held.size, 'size');
    let hits = 0;
    for (const query of sampleVectors(50, 8, 10)) {
      const expected = bruteForce(held.values(), query, 10, 'cosine');
      hits += hitsAmong(
        await index.query(query, { k: 10 }),
        expected,
        scoreBy(held.values(), query),
      );
    }
    ok(hits / 500 >= minRecall, `recall@10 of ${hits / 500} is below ${minRecall}`);
    const all = await everything(index);
    for (const { id, metadata } of all) {
      equal(metadata['number'], held.get(id)?.metadata?.['number'], `metadata of ${id}`);
    }
    equal(all.length, held.size, 'everything');
  },
  'many calls at once': async ({ create }) => {
    const index = await create();
    const entries = sampleEntries(120);
    const work = Array.from({ length: 12 }, async (_, i) => {
      const mine = entries.slice(10 * i, 10 * i + 10);
      await index.add(mine);
      await index.query((mine[0] as VectorEntry).vector, { k: 5 });
      await index.upsert(mine);
      if (i % 2 === 1) await index.remove(mine.map(({ id }) => id));
    });
    await Promise.all(work);
    equal(await index.size(), 60, 'size');
    const left = await everything(index);
    ok(
      left.every(({ metadata: { number } }) => Math.floor(Number(number) / 10) % 2 === 0),
      'those left',
    );
  },
  'an abort in the middle of a large add keeps what was added': async ({ create }) => {
    const entries = sampleEntries(600);
    const reason = new Error('enough');
    for (const delay of [0, 2, 20]) {
      const index = await create();
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(reason), delay);
      try {
        await index.add(entries, { signal: controller.signal });
        equal(await index.size(), entries.length, 'size where the abort came too late');
      } catch (error) {
        ok(error === reason, `${String(error)} instead of the signal's reason`);
      }
      clearTimeout(timer);
      const there = new Set((await everything(index)).map(({ id }) => id));
      equal(await index.size(), there.size, 'size');
      await index.add(entries.filter(({ id }) => !there.has(id)));
      equal(await index.size(), entries.length, 'size once the rest is added');
      for (const { id, vector } of entries.slice(0, 50)) {
        equal((await index.query(vector, { k: 1 }))[0]?.id, id, 'the nearest');
      }
    }
  },
  'an abort is heard before anything is done': async ({ create }) => {
    const index = await create();
    const entries = sampleEntries(2);
    await index.add(entries.slice(0, 1));
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    const query = (entries[0] as VectorEntry).vector;
    await failsWith(() => index.add(entries.slice(1), { signal }), reason, 'add');
    await failsWith(() => index.upsert(entries, { signal }), reason, 'upsert');
    await failsWith(() => index.remove(['e0'], { signal }), reason, 'remove');
    await failsWith(() => index.query(query, { k: 1, signal }), reason, 'query');
    await failsWith(() => index.size({ signal }), reason, 'size');
    await failsWith(() => index.clear({ signal }), reason, 'clear');
    equal(idsOf(await everything(index)), 'e0', 'what is there');
  },
  'after close every call is refused': async ({ create }) => {
    const index = await create();
    const [entry] = sampleEntries(1) as [VectorEntry];
    await index.add([entry]);
    await index.close();
    await index.close();
    await fails(() => index.add([entry]), 'DISPOSED', 'add');
    await fails(() => index.upsert([entry]), 'DISPOSED', 'upsert');
    await fails(() => index.remove(['e0']), 'DISPOSED', 'remove');
    await fails(() => index.query(entry.vector, { k: 1 }), 'DISPOSED', 'query');
    await fails(() => index.size(), 'DISPOSED', 'size');
    await fails(() => index.clear(), 'DISPOSED', 'clear');
  },
};

const named = (vectors: readonly Float32Array[]): VectorEntry[] =>
  vectors.map((vector, i) => ({ id: `e${i}`, vector }));

function scoreBy(
  entries: Iterable<VectorEntry>,
  query: Float32Array,
  metric: VectorMetric = 'cosine',
): (id: string) => number {
  const vectors = new Map(Array.from(entries, ({ id, vector }) => [id, vector]));
  return (id) => plainScore(vectors.get(id) as Float32Array, query, metric);
}

/** JSON with names in one order: databases keep none. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
