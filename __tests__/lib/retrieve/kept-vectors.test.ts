import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Chunk } from '../../../lib/document.js';
import { denseRetriever, type DenseRetrieverOptions } from '../../../lib/retrieve/dense.js';
import { flatIndex } from '../../../lib/retrieve/flat-index.js';
import type { VectorIndex } from '../../../lib/retrieve/vector-index.js';
import { HashingEmbedder } from '../../../lib/testing/fake/hashing-embedder.js';
import { chunk } from './support.js';

const passages = [
  'bees dance near flowers',
  'moon pulls sea makes tides',
  'bread rises makes gas',
].map((text, i) => chunk(`c${i}`, text, { start: 50 * i, metadata: { line: i, tags: [`t${i}`] } }));

/** Counts the texts that are embedded. */
class Counting extends HashingEmbedder {
  readonly texts: string[] = [];
  failing = false;

  override async embed(texts: readonly string[], options: Parameters<HashingEmbedder['embed']>[1]) {
    if (options.kind === 'passage') this.texts.push(...texts);
    if (this.failing) throw new Error('no embedder');
    return super.embed(texts, options);
  }

  take(): string[] {
    return this.texts.splice(0);
  }
}

function dense(options: Partial<DenseRetrieverOptions> = {}) {
  const embedder = new Counting();
  const index = flatIndex({ embedder });
  return { embedder, index, retriever: denseRetriever({ embedder, index, ...options }) };
}

const moved = (one: Chunk, line: number): Chunk => ({
  ...one,
  start: one.start + 7,
  end: one.end + 7,
  metadata: { ...one.metadata, line },
});

/** As a database: it does not give vectors back. */
function closed(index: VectorIndex): VectorIndex {
  const { dimensions, metric, fingerprint } = index;
  return {
    dimensions,
    metric,
    fingerprint,
    size: (...all) => index.size(...all),
    add: (...all) => index.add(...all),
    upsert: (...all) => index.upsert(...all),
    remove: (...all) => index.remove(...all),
    query: (...all) => index.query(...all),
    clear: (...all) => index.clear(...all),
    close: () => index.close(),
  };
}

test('a chunk that comes again with its text keeps its vector, and has its new place and metadata', async () => {
  const { embedder, retriever } = dense();
  await retriever.add(passages);
  expect(embedder.take()).toHaveLength(3);
  const later = passages.map((one, i) => moved(one, i + 10));
  const other = chunk('c9', 'storms and lanterns');
  await retriever.add([...later, other]);
  expect(embedder.take()).toEqual(['storms and lanterns']);
  const filter = { op: 'equals', field: 'line', value: 12 } as const;
  expect(await retriever.search('bread', { k: 3, filter })).toMatchObject([{ chunk: later[2] }]);
  expect((await retriever.search('bread rises', { k: 1 }))[0]!.chunk.start).toBe(107);
  // The same id with another text, as callers of their own may have it.
  await retriever.add([{ ...passages[0]!, text: 'owls hunt at night' }]);
  expect(embedder.take()).toEqual(['owls hunt at night']);
  expect((await retriever.search('owls', { k: 1 }))[0]!.chunk.id).toBe('c0');
});

test('an index that gives no vectors back is told of what changed only', async () => {
  const embedder = new Counting();
  const inner = flatIndex({ embedder });
  const retriever = denseRetriever({ embedder, index: closed(inner) });
  await retriever.add(passages);
  embedder.take();
  await retriever.add([...passages.slice(0, 2), moved(passages[2]!, 9)]);
  expect(embedder.take()).toEqual([passages[2]!.text]);
});

test('after a change that failed what it touched is embedded again', async () => {
  const embedder = new Counting();
  const inner = flatIndex({ embedder });
  let fails = false;
  const index = closed(inner);
  const retriever = denseRetriever({
    embedder,
    index: {
      ...index,
      upsert: async (...all) => {
        if (fails) throw new Error('disk full');
        return index.upsert(...all);
      },
    },
  });
  await retriever.add(passages);
  embedder.take();
  fails = true;
  const changed = chunk('c0', 'owls hunt at night');
  await expect(retriever.add([changed, passages[1]!])).rejects.toThrow('disk full');
  fails = false;
  embedder.take();
  await retriever.add(passages);
  expect(embedder.take()).toEqual([passages[0]!.text, passages[1]!.text]);
  await retriever.add(passages);
  expect(embedder.take()).toEqual([]);
});

test('fields keep theirs as long as their texts stay', async () => {
  const embedder = new Counting();
  const index = flatIndex({ embedder });
  const questions = flatIndex({ embedder });
  const retriever = denseRetriever({
    embedder,
    index,
    fields: [
      { name: 'tags', index: questions, textsOf: ({ metadata }) => metadata?.['tags'] as string[] },
    ],
  });
  await retriever.add(passages);
  expect(embedder.take()).toHaveLength(6);
  const tagged = { ...passages[1]!, metadata: { line: 1, tags: ['new', 'newer'] } };
  await retriever.add([moved(passages[0]!, 4), tagged, passages[2]!]);
  expect(embedder.take()).toEqual(['new', 'newer']);
  expect(await questions.size()).toBe(4);
  expect((await retriever.search('newer', { k: 1 }))[0]!.chunk.id).toBe('c1');
  expect((await retriever.search('t0', { k: 1 }))[0]!.chunk.id).toBe('c0');
});

test('in context, what has other neighbours is embedded again, and the vectors are those of one go', async () => {
  const words = fc.constantFrom('bees', 'moon', 'bread', 'owls', 'storms');
  const documents = fc.array(fc.array(words, { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(documents, fc.boolean(), async (versions, context) => {
      const situate = context ? ({ situate: { how: 'joined' } } as const) : {};
      const { retriever, index } = dense(situate);
      let old: Chunk[] = [];
      for (const version of versions) {
        const seen = new Map<string, number>();
        const chunks = version.map((text, i) => {
          const ordinal = (seen.get(text) ?? 0) + 1;
          seen.set(text, ordinal);
          return chunk(`${text}.${ordinal}`, text, {
            start: 10 * i,
            end: 10 * i + 9,
            metadata: { line: i },
          });
        });
        await retriever.add(chunks);
        const ids = new Set(chunks.map(({ id }) => id));
        await retriever.remove(old.map(({ id }) => id).filter((id) => !ids.has(id)));
        old = chunks;
      }
      const fresh = dense(situate);
      await fresh.retriever.add(old);
      for (const { id } of old) {
        const [mine, wanted] = [index.vectorOf(id)!, fresh.index.vectorOf(id)!];
        expect(mine.every((value, i) => Math.abs(value - wanted[i]!) < 1e-6)).toBe(true);
      }
      expect(await index.size()).toBe(old.length);
    }),
    { numRuns: 60 },
  );
});

test('vectors that are there already are taken, and the others embedded', async () => {
  const given = new Float32Array(256);
  given[3] = 1;
  const { embedder, index, retriever } = dense({
    vectorOf: ({ id }) => (id === 'c1' ? given : undefined),
  });
  await retriever.add(passages);
  expect(embedder.take()).toEqual([passages[0]!.text, passages[2]!.text]);
  expect(index.vectorOf('c1')).toEqual(given);
  expect(() => dense({ vectorOf: () => undefined, situate: { how: 'joined' } })).toThrow(
    /vectorOf/,
  );
});
