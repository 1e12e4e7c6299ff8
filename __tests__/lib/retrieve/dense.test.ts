import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Chunk } from '../../../lib/document.js';
import {
  denseRetriever,
  type DenseRetrieverOptions,
  restoreDenseRetriever,
} from '../../../lib/retrieve/dense.js';
import type { ContextEmbedder, PassageInContext } from '../../../lib/retrieve/embedder.js';
import type { SituateOptions } from '../../../lib/retrieve/situate.js';
import { flatIndex } from '../../../lib/retrieve/flat-index.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';
import { chunk, cut, idsOf } from './support.js';

const passages = [
  chunk('bees', 'bees dance near flowers', { metadata: { year: 1 } }),
  chunk('tides', 'moon pulls sea makes tides', { start: 50, metadata: { year: 2 } }),
  chunk('bread', 'bread rises yeast makes gas', { start: 100, metadata: { year: 3 } }),
];

const fresh = (more: Partial<DenseRetrieverOptions> = {}) =>
  denseRetriever({
    embedder: new HashingEmbedder(),
    index: flatIndex({ embedder: new HashingEmbedder() }),
    ...more,
  });

describe('search', () => {
  test('scores are those of the index: cosines, best first, at most k', async () => {
    const dense = fresh();
    await dense.add(passages);
    const hits = await dense.search('yeast makes bread', { k: 2 });
    expect(hits).toEqual([
      // Three of five words, and three words asked for: 3 / sqrt(15). One of five: 1 / sqrt(15).
      { chunk: passages[2], score: expect.closeTo(3 / Math.sqrt(15), 6) },
      { chunk: passages[1], score: expect.closeTo(1 / Math.sqrt(15), 6) },
    ]);
  });

  test('asks as a query, embeds as passages', async () => {
    const kinds: string[] = [];
    const inner = new HashingEmbedder();
    const embedder = {
      fingerprint: 'hashing-256',
      dimensions: 256,
      embed: (texts: readonly string[], options: { kind: 'query' | 'passage' }) => {
        kinds.push(`${options.kind} ${texts.length}`);
        return inner.embed(texts, options);
      },
    };
    const dense = fresh({ embedder, batchSize: 2 });
    await dense.add(passages);
    await dense.search('tides', { k: 9 });
    expect(kinds).toEqual(['passage 2', 'passage 1', 'query 1']);
  });

  test('only what meets the filter, and k of it where there are as many', async () => {
    const dense = fresh();
    await dense.add(passages);
    const found = await dense.search('bees', {
      k: 2,
      filter: { op: 'range', field: 'year', above: 1 },
    });
    expect(idsOf(found).sort()).toEqual(['bread', 'tides']);
  });

  test('nothing for a blank question, or in an empty index', async () => {
    const dense = fresh();
    expect(await dense.search('bees', { k: 3 })).toEqual([]);
    await dense.add(passages);
    expect(await dense.search(' \n', { k: 3 })).toEqual([]);
  });

  test.each([0, -1, 1.5, NaN])('k = %s is refused', async (k) => {
    await expect(fresh().search('bees', { k })).rejects.toThrow('k must be');
  });

  test('an aborted search rejects', async () => {
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(fresh().search('bees', { k: 1, signal })).rejects.toThrow('stop');
  });

  test('vectors that a failed change left behind take no place', async () => {
    const index = flatIndex({ embedder: new HashingEmbedder() });
    const embedder = new HashingEmbedder();
    const dense = fresh({ index, embedder });
    await dense.add(passages);
    const strays = await embedder.embed(Array<string>(20).fill('bees dance'), { kind: 'passage' });
    await index.upsert(strays.map((vector, i) => ({ id: `stray ${i}`, vector })));
    expect(idsOf(await dense.search('bees dance', { k: 3 }))).toHaveLength(3);
  });
});

describe('fields', () => {
  const questions: Readonly<Record<string, readonly string[]>> = {
    bees: ['insects signal honey', '  ', 'what sweet food'],
    bread: ['dough oven'],
  };
  const withFields = (weight?: number) => {
    const index = flatIndex({ embedder: new HashingEmbedder() });
    const fields = [
      {
        name: 'questions',
        index,
        textsOf: ({ id }: Chunk) => questions[id] ?? [],
        ...(weight !== undefined && { weight }),
      },
    ];
    return { index, fields, dense: fresh({ fields }) };
  };

  test('the best of all vectors of a chunk counts, weighted', async () => {
    const { dense, index } = withFields(0.5);
    await dense.add(passages);
    expect(await index.size()).toBe(3);
    const hits = await dense.search('dough oven', { k: 1 });
    expect(hits).toEqual([{ chunk: passages[2], score: expect.closeTo(0.5, 6) }]);
    expect(idsOf(await dense.search('sweet food', { k: 1 }))).toEqual(['bees']);
  });

  test('they go with their chunk', async () => {
    const { dense, index } = withFields();
    await dense.add(passages);
    await dense.remove(['bees', 'nobody']);
    expect(await index.size()).toBe(1);
    await dense.add([passages[2] as Chunk]);
    expect(await index.size()).toBe(1);
  });

  test.each([
    [{ name: 'passages' }, 'names are unique'],
    [{ name: 'a', weight: 0 }, 'of weight 0'],
    [
      { name: 'a', index: flatIndex({ embedder: new HashingEmbedder({ dimensions: 7 }) }) },
      'takes vectors of 7 numbers from hashing-7',
    ],
  ])('%#: %s', (field, problem) => {
    const whole = {
      index: flatIndex({ embedder: new HashingEmbedder() }),
      textsOf: () => [],
      ...field,
    };
    expect(() => fresh({ fields: [whole] })).toThrow(problem);
  });
});

describe('changes', () => {
  test('a chunk with a known id replaces the old one, in one call and in two', async () => {
    const dense = fresh();
    await dense.add([chunk('a', 'old words'), chunk('a', 'new things')]);
    expect(dense.size).toBe(1);
    expect((await dense.search('new things', { k: 1 }))[0]?.score).toBeCloseTo(1, 6);
    await dense.add([chunk('a', 'newer still')]);
    expect((await dense.search('newer still', { k: 5 })).map(({ chunk }) => chunk.text)).toEqual([
      'newer still',
    ]);
  });

  test('an aborted add keeps whole batches, and rejects', async () => {
    const controller = new AbortController();
    const embedder = new HashingEmbedder();
    const index = flatIndex({ embedder: new HashingEmbedder() });
    const dense = fresh({
      index,
      batchSize: 1,
      embedder: {
        fingerprint: 'hashing-256',
        dimensions: 256,
        embed: async (texts, options) => {
          if (embedder.seen.length === 1) controller.abort(new Error('stop'));
          return embedder.embed(texts, { kind: options.kind });
        },
      },
    });
    await expect(dense.add(passages, { signal: controller.signal })).rejects.toThrow('stop');
    expect([dense.size, await index.size()]).toEqual([1, 1]);
    expect([...dense.chunks!()]).toEqual([passages[0]]);
  });

  test('an embedder or an index that fails leaves the chunks as they were', async () => {
    let isDown = false;
    const inner = new HashingEmbedder();
    const dense = fresh({
      embedder: {
        fingerprint: 'hashing-256',
        dimensions: 256,
        embed: async (texts, options) => {
          if (isDown) throw new Error('down');
          return inner.embed(texts, options);
        },
      },
      situate: { how: 'joined' },
    });
    await dense.add(passages.slice(0, 2));
    isDown = true;
    await expect(dense.add(passages)).rejects.toThrow('down');
    // The neighbour would have to be embedded again.
    await expect(dense.remove(['bees'])).rejects.toThrow('down');
    expect([...dense.chunks!()].map(({ id }) => id).sort()).toEqual(['bees', 'tides']);
    isDown = false;
    await dense.remove(['bees']);
    await dense.add(passages.slice(2));
    expect(dense.size).toBe(2);
  });

  test.each([
    ['too few', async () => []],
    ['too short', async () => [new Float32Array(3)]],
    ['no numbers', async () => [new Float32Array(256).fill(NaN)]],
  ])('an embedder that gives vectors that are %s breaks its contract', async (_, embed) => {
    const dense = fresh({ embedder: { fingerprint: 'hashing-256', dimensions: 256, embed } });
    await expect(dense.add([passages[0] as Chunk])).rejects.toThrow(
      'hashing-256 broke its contract',
    );
    expect(dense.size).toBe(0);
  });

  test('calls side by side are taken in turn', async () => {
    const dense = fresh({ batchSize: 1 });
    await Promise.all([
      dense.add(passages),
      dense.remove(['tides']),
      dense.add([chunk('bees', 'wasps instead')]),
    ]);
    expect([...dense.chunks!()].map(({ text }) => text).sort()).toEqual([
      'bread rises yeast makes gas',
      'wasps instead',
    ]);
  });
});

const saved = async (more: Partial<DenseRetrieverOptions> = {}) => {
  const index = flatIndex({ embedder: new HashingEmbedder() });
  const dense = fresh({ index, ...more });
  await dense.add(passages);
  return { dense, index, snapshot: JSON.parse(JSON.stringify(dense)) as unknown };
};

describe('saved and restored', () => {
  test('finds the same, and can be changed', async () => {
    const { dense, index, snapshot } = await saved();
    const back = await restoreDenseRetriever(snapshot, { embedder: new HashingEmbedder(), index });
    expect([...back.chunks!()]).toEqual(passages);
    const question = 'moon and sea';
    expect(await back.search(question, { k: 3 })).toEqual(await dense.search(question, { k: 3 }));
    await back.remove(['tides']);
    expect([back.size, await index.size()]).toEqual([2, 2]);
  });

  test.each<[string, (whole: Record<string, unknown>) => unknown, RegExp]>([
    ['another thing', () => 7, /no chunkweave-dense/],
    ['another version', (whole) => ({ ...whole, version: 9 }), /of version 1/],
    ['damaged chunks', (whole) => ({ ...whole, chunks: [{}] }), /no chunkweave-dense/],
    ['another embedder', (whole) => ({ ...whole, embedder: 'other' }), /embedded by "other"/],
    ['other fields', (whole) => ({ ...whole, fields: ['x'] }), /fields are "x"/],
    ['fewer chunks', (whole) => ({ ...whole, chunks: [] }), /holds 3 vectors, not 0/],
  ])('%s is refused', async (_, damage, problem) => {
    const { index, snapshot } = await saved();
    const damaged = damage(snapshot as Record<string, unknown>);
    const restore = () =>
      restoreDenseRetriever(damaged, { embedder: new HashingEmbedder(), index });
    await expect(restore()).rejects.toThrow(problem);
  });

  test('another context is another index', async () => {
    const { index, snapshot } = await saved({ situate: { how: 'mean', alpha: 0.5 } });
    const restore = (situate?: SituateOptions) =>
      restoreDenseRetriever(snapshot, {
        embedder: new HashingEmbedder(),
        index,
        ...(situate && { situate }),
      });
    await expect(restore()).rejects.toThrow('alpha 0.5');
    await expect(restore({ how: 'mean', alpha: 0.6 })).rejects.toThrow('not by');
    expect((await restore({ how: 'mean', alpha: 0.5 })).size).toBe(3);
  });

  test('an index that holds vectors already, or of another size, is refused', async () => {
    const { index } = await saved();
    await expect(fresh({ index }).add(passages)).rejects.toThrow('holds 3 vectors already');
    expect(() =>
      fresh({ index: flatIndex({ embedder: { fingerprint: 'hashing-256', dimensions: 5 } }) }),
    ).toThrow('takes vectors of 5 numbers');
  });
});

const textOf = ({ chunk, before, after }: { chunk: Chunk; before: string; after: string }) =>
  `<${before}|${chunk.text}|${after}>`;

describe('passages in context', () => {
  const pieces = cut('d', ['one two ', 'three four ', 'five six ', 'seven eight ']);
  const seenWith = async (situate: SituateOptions) => {
    const embedder = new HashingEmbedder();
    const dense = fresh({ embedder, situate });
    await dense.add(pieces);
    return embedder.seen;
  };

  test('are embedded between their neighbours', async () => {
    expect(await seenWith({ how: 'joined', before: 1, after: 1 })).toEqual([
      'one two \nthree four ',
      'one two \nthree four \nfive six ',
      'three four \nfive six \nseven eight ',
      'five six \nseven eight ',
    ]);
    expect((await seenWith({ how: 'joined', before: 2, after: 0, maxUnits: 6 }))[2]).toBe(
      ' four \nfive six ',
    );
  });

  test('nothing is said twice where chunks overlap, and no character is halved', async () => {
    const embedder = new HashingEmbedder();
    const text = 'ab🎉cdef';
    const overlapping = [
      chunk('x', text.slice(0, 6), { start: 0, end: 6 }),
      chunk('y', text.slice(4, 8), { start: 4, end: 8 }),
    ];
    await fresh({ embedder, situate: { how: 'joined', maxUnits: 1 } }).add(overlapping);
    expect(embedder.seen).toEqual(['ab🎉cd\ne', 'cdef']);
  });

  test('a mean is the weighted sum of both vectors, of length 1', async () => {
    const embedder = new HashingEmbedder();
    const index = flatIndex({ embedder: new HashingEmbedder() });
    const dense = fresh({ embedder, index, situate: { how: 'mean', alpha: 0.25, after: 0 } });
    await dense.add(pieces.slice(0, 2));
    const [own, joined] = await embedder.embed([pieces[1]!.text, 'one two \nthree four '], {
      kind: 'passage',
    });
    const mean = own!.map((value, i) => 0.25 * value + 0.75 * joined![i]!);
    const length = Math.hypot(...mean);
    const [match] = await index.query(
      mean.map((value) => value / length),
      { k: 1 },
    );
    expect(match).toMatchObject({ id: 'd#1', score: expect.closeTo(1, 5) });
  });

  test('late: the embedder is given passages and what is around them, and its vectors are taken', async () => {
    const given: unknown[] = [];
    class Late extends HashingEmbedder implements ContextEmbedder {
      async embedInContext(parts: readonly PassageInContext[]): Promise<Float32Array[]> {
        given.push(...parts);
        const texts = parts.map(({ before, text }) => `${before} ${text}`);
        return this.embed(texts, { kind: 'passage' });
      }
    }
    const embedder = new Late();
    const situate = { how: 'late', before: 1, after: 1 } as const;
    const dense = fresh({ embedder, situate });
    await dense.add(passages);
    expect(given).toEqual(
      passages.map(({ text }, i) => ({
        before: passages[i - 1]?.text ?? '',
        text,
        after: passages[i + 1]?.text ?? '',
      })),
    );
    // Words of the passage before are in the vector of the one that follows.
    const [, second] = await dense.search('flowers', { k: 2 });
    expect(second?.chunk.id).toBe(passages[1]?.id);
    expect(second?.score).toBeGreaterThan(0);
    expect(dense.toJSON().embedder).toContain('late 1+1');
    const broken = Object.assign(new Late(), { embedInContext: async () => [] });
    await expect(fresh({ embedder: broken, situate }).add(passages)).rejects.toThrow('contract');
  });

  test('embedders with a form of their own get it', async () => {
    const seen = await seenWith({ how: 'custom', name: 'angles', textOf, before: 1, after: 1 });
    expect(seen[1]).toBe('<one two |three four |five six >');
  });

  test('vectors after any changes are those of an index made in one go', async () => {
    const change = fc.record({
      isRemoved: fc.boolean(),
      ids: fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 4 }),
    });
    const all = cut('d', ['a b ', 'c d ', 'e f ', 'g h ', 'i j ', 'k l ', 'm n ', 'o p ']);
    const situate = { how: 'mean', before: 2, after: 1 } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 6 }), async (changes) => {
        const vectors = new Map<string, Float32Array>();
        const index = flatIndex({ embedder: new HashingEmbedder() });
        const upsert = index.upsert.bind(index);
        index.upsert = async (entries, options) => {
          for (const { id, vector } of entries) vectors.set(id, vector);
          await upsert(entries, options);
        };
        const dense = fresh({ index, situate, batchSize: 2 });
        for (const { isRemoved, ids } of changes) {
          if (isRemoved) await dense.remove(ids.map((id) => `d#${id}`));
          else await dense.add(ids.map((id) => all[id]!));
        }
        const left = [...dense.chunks!()];
        const whole = new Map<string, Float32Array>();
        const other = flatIndex({ embedder: new HashingEmbedder() });
        other.upsert = async (entries) => {
          for (const { id, vector } of entries) whole.set(id, vector);
        };
        await fresh({ index: other, situate, batchSize: 99 }).add(left);
        expect(await index.size()).toBe(left.length);
        for (const { id } of left) expect(vectors.get(id)).toEqual(whole.get(id));
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    [{ how: 'near' as 'mean' }, 'situate.how is "near"'],
    [{ how: 'mean' as const, alpha: 2 }, 'alpha must be'],
    [{ how: 'joined' as const, before: -1 }, 'before must be'],
    [{ how: 'late' as const }, '"late" needs an embedder with embedInContext'],
    [{ how: 'custom' as const }, '"custom" needs textOf'],
    [{ how: 'custom' as const, textOf: () => '' }, 'a name for it'],
  ])('%#: %s', (situate, problem) => {
    expect(() => fresh({ situate })).toThrow(problem);
  });
});
