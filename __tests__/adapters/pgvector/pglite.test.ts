import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import {
  type PgClientLike,
  pgliteIndex,
  pgVectorIndex,
  type PgVectorIndexOptions,
} from '../../../adapters/pgvector/index.js';
import { flatIndex, type VectorEntry, type VectorIndex } from '../../../lib/index.js';
import { seededNormals, seededRandom, vectorIndexConformance } from '../../../lib/testing/index.js';
import { newFolder } from '../../support/store/folders.js';

// It computes on one thread, which a busy machine may slow down a lot.
jest.setTimeout(300_000);

// One database for the whole file: it takes seconds to start.
let database: PGlite;
const folder = newFolder();

beforeAll(async () => {
  database = new PGlite({ extensions: { vector } });
  await database.waitReady;
});
afterAll(() => database.close());

const client: PgClientLike = {
  query: (text, parameters) => database.query(text, parameters as unknown[]),
};

let tables = 0;
const newTable = (): string => `t${++tables}`;
const tableOf = new WeakMap<VectorIndex, string>();

async function create(options: Omit<PgVectorIndexOptions, 'client'>): Promise<VectorIndex> {
  const table = newTable();
  const index = await pgVectorIndex({ client, table, ...options });
  tableOf.set(index, table);
  return index;
}

vectorIndexConformance(
  { test },
  {
    name: 'pgvector',
    minRecall: 0.98,
    create,
    reopen: (index, setting) =>
      pgVectorIndex({ client, table: tableOf.get(index) as string, ...setting }),
  },
);

const embedder = { fingerprint: 'x', dimensions: 8 };
const random = seededRandom(1);
const oneVector = () => Float32Array.from(seededNormals(random, 8, 1));
const entries = (count: number): VectorEntry[] =>
  Array.from({ length: count }, (_, number) => ({
    id: `e${number}`,
    vector: oneVector(),
    metadata: { number },
  }));

/** Rows of a statement, as people would look at the database. */
const look = async (text: string): Promise<readonly Record<string, unknown>[]> =>
  (await database.query(text)).rows as Record<string, unknown>[];

test('the graph answers, and goes on until a filter has been matched often enough', async () => {
  const table = newTable();
  const sent: { text: string; values: unknown[] }[] = [];
  const watching: PgClientLike = {
    query(text, values = []) {
      sent.push({ text, values });
      return client.query(text, values);
    },
  };
  const index = await pgVectorIndex({
    client: watching,
    table,
    embedder,
    efSearch: 20,
    batch: 500,
  });
  const exact = flatIndex({ embedder });
  const all = entries(1200);
  await Promise.all([index.add(all), exact.add(all)]);
  await database.exec('SET enable_seqscan = off; ANALYZE;');
  try {
    const filter = { op: 'range', field: 'number', atLeast: 1100 } as const;
    const query = oneVector();
    sent.length = 0;
    const found = await index.query(query, { k: 30, filter });
    expect(found).toHaveLength(30);
    expect(found.every(({ metadata }) => Number(metadata['number']) >= 1100)).toBe(true);
    const expected = await exact.query(query, { k: 30, filter });
    const ids = new Set(expected.map(({ id }) => id));
    expect(found.filter(({ id }) => ids.has(id)).length).toBeGreaterThan(26);
    expect(sent).toHaveLength(1);
    const [{ text, values }] = sent as [(typeof sent)[0]];
    const plan = (await database.query(`EXPLAIN ${text}`, values)).rows as Record<string, string>[];
    expect(JSON.stringify(plan)).toContain(`Index Scan using ${table}_embedding_hnsw`);
    // The settings were the statement's own.
    const [setting] = await look("SELECT current_setting('hnsw.ef_search') AS ef");
    expect(setting).toEqual({ ef: '40' });
  } finally {
    await database.exec('RESET enable_seqscan');
  }
});

test('without a graph it is exact, and takes more dimensions', async () => {
  const wide = { fingerprint: 'x', dimensions: 2500 };
  await expect(create({ embedder: wide })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const index = await create({ embedder: wide, index: 'none' });
  await index.add([{ id: 'a', vector: new Float32Array(2500).fill(1) }]);
  expect(await index.query(new Float32Array(2500).fill(2), { k: 3 })).toMatchObject([{ id: 'a' }]);
});

test('tables are made once, by however many at the same time, and found again', async () => {
  const options = { client, schema: 'some_schema', table: 'Mixed_Case', embedder };
  const opened = await Promise.all([1, 2, 3].map(() => pgVectorIndex(options)));
  await opened[0]?.add(entries(3));
  expect(await opened[2]?.size()).toBe(3);
  expect(await (await pgVectorIndex(options)).size()).toBe(3);
  const [about] = await look('SELECT * FROM some_schema.chunkweave_vector_indexes');
  expect(about).toMatchObject({ name: 'Mixed_Case', dimensions: 8, metric: 'cosine' });
});

test('two indexes on one table do not add an id twice', async () => {
  const table = newTable();
  const [a, b] = (await Promise.all(
    [1, 2].map(() => pgVectorIndex({ client, table, embedder })),
  )) as [VectorIndex, VectorIndex];
  const all = entries(50);
  const outcomes = await Promise.allSettled([a.add(all), b.add(all)]);
  const failed = outcomes.filter(({ status }) => status === 'rejected');
  expect(failed).toHaveLength(1);
  expect(failed[0]).toMatchObject({ reason: { code: 'INVALID_ARGUMENT' } });
  expect(await a.size()).toBe(50);
});

test('a table of somebody else is left alone', async () => {
  await database.exec('CREATE TABLE strange (id integer, embedding text)');
  const opening = pgVectorIndex({ client, table: 'strange', embedder });
  await expect(opening).rejects.toMatchObject({ code: 'INDEX_MISMATCH' });
  expect(await look('SELECT * FROM strange')).toEqual([]);
});

test('nothing that comes from outside stands in a statement', async () => {
  const table = newTable();
  const texts: string[] = [];
  const watching: PgClientLike = {
    query(text, values) {
      texts.push(text);
      return client.query(text, values);
    },
  };
  const evil = `x'); DROP TABLE ${table}; --`;
  const source = { fingerprint: evil, dimensions: 8 };
  const index = await pgVectorIndex({ client: watching, table, embedder: source });
  const query = oneVector();
  await index.upsert([{ id: evil, vector: query, metadata: { [evil]: evil, list: [evil] } }]);
  for (const filter of [
    { op: 'equals', field: evil, value: evil },
    { op: 'in', field: evil, values: [evil, '" OR 1=1'] },
    { op: 'contains', field: 'list', value: evil },
    { op: 'range', field: evil, atLeast: evil, atMost: evil },
    { op: 'exists', field: evil },
  ] as const) {
    expect(await index.query(query, { k: 2, filter })).toMatchObject([{ id: evil }]);
  }
  expect(await index.remove([evil])).toBe(1);
  expect(texts.filter((text) => text.includes('DROP'))).toEqual([]);
});

test('an add that is aborted between two batches keeps those before', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  let inserts = 0;
  const aborting: PgClientLike = {
    query(text, values) {
      if (text.startsWith('INSERT') && text.includes('jsonb_to_recordset') && ++inserts === 3) {
        controller.abort(reason);
      }
      return client.query(text, values);
    },
  };
  const index = await pgVectorIndex({ client: aborting, table: newTable(), embedder, batch: 10 });
  await expect(index.add(entries(60), { signal: controller.signal })).rejects.toBe(reason);
  expect(await index.size()).toBe(30);
  await index.upsert(entries(60));
  expect(await index.size()).toBe(60);
});

test('an index in a folder outlasts the process that made it', async () => {
  const directory = join(await folder, 'database');
  const index = await pgliteIndex({ directory, embedder });
  const all = entries(5);
  await index.add(all);
  await index.close();
  const again = await pgliteIndex({ directory, embedder });
  expect(await again.query((all[2] as VectorEntry).vector, { k: 1 })).toMatchObject([{ id: 'e2' }]);
  await again.close();
  const other = pgliteIndex({ directory, embedder: { ...embedder, fingerprint: 'other' } });
  await expect(other).rejects.toMatchObject({ code: 'INDEX_MISMATCH' });
});
