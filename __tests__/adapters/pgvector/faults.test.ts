import { expect, test } from '@jest/globals';
import {
  type PgClientLike,
  pgVectorIndex,
  type PgVectorIndexOptions,
} from '../../../adapters/pgvector/index.js';

const embedder = { fingerprint: 'x', dimensions: 2 };
const query = Float32Array.of(1, 1);

type Answer = (text: string, values: readonly unknown[]) => readonly object[] | undefined;

/** A database that says what an opened index wants to hear, and otherwise what a test has it say. */
function fakeClient(answer: Answer = () => undefined) {
  const texts: string[] = [];
  const client: PgClientLike = {
    async query(text, values = []) {
      texts.push(text);
      const given = answer(text, values);
      if (given) return { rows: given };
      if (text.includes('pg_extension')) return { rows: [{ extversion: '0.8.1' }] };
      if (text.includes('format_type')) {
        const columns = { id: 'text', embedding: 'public.vector(2)', metadata: 'jsonb' };
        return { rows: Object.entries(columns).map(([name, type]) => ({ name, type })) };
      }
      if (text.startsWith('SELECT version')) {
        return { rows: [{ version: '1', dimensions: '2', metric: 'cosine', fingerprint: 'x' }] };
      }
      return { rows: [] };
    },
  };
  return { client, texts };
}

const failure = (code: string, message = 'no'): Error =>
  Object.assign(new Error(message), { code });
const never = new Promise<never>(() => {});

test('a database that is down is a typed error, when it is opened and later', async () => {
  const down = { query: async () => Promise.reject(failure('ECONNREFUSED', 'connect refused')) };
  const opening = pgVectorIndex({ client: down, embedder });
  await expect(opening).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'failed' });
  await expect(opening).rejects.toThrow('connect refused');
  let isDown = false;
  const { client } = fakeClient(() => {
    if (isDown) throw failure('57P01', 'terminating connection');
    return undefined;
  });
  const index = await pgVectorIndex({ client, embedder });
  isDown = true;
  for (const call of [
    () => index.query(query, { k: 1 }),
    () => index.add([{ id: 'a', vector: query }]),
    () => index.upsert([{ id: 'a', vector: query }]),
    () => index.remove(['a']),
    () => index.size(),
    () => index.clear(),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'failed' });
  }
  isDown = false;
  expect(await index.query(query, { k: 1 })).toEqual([]);
});

test('a database that does not answer is late, and an abort does not wait for it', async () => {
  let isSlow = false;
  const { client: fast } = fakeClient();
  const client: PgClientLike = {
    query: (text, values) => (isSlow ? never : fast.query(text, values)),
  };
  const index = await pgVectorIndex({ client, embedder, timeoutMs: 30 });
  isSlow = true;
  for (const call of [
    () => index.query(query, { k: 1 }),
    () => index.upsert([{ id: 'a', vector: query }]),
    () => index.remove(['a']),
    () => index.size(),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'late' });
  }
  const opening = pgVectorIndex({ client, embedder, timeoutMs: 30 });
  await expect(opening).rejects.toMatchObject({ code: 'VECTOR_INDEX', reason: 'late' });
  isSlow = false;
  const patient = await pgVectorIndex({ client, embedder });
  isSlow = true;
  const controller = new AbortController();
  const reason = new Error('enough');
  const search = patient.query(query, { k: 1, signal: controller.signal });
  controller.abort(reason);
  await expect(search).rejects.toBe(reason);
});

test('a database without pgvector, or with an old one, says what to do', async () => {
  const old = fakeClient((text) =>
    text.includes('pg_extension') ? [{ extversion: '0.7.4' }] : undefined,
  );
  await expect(pgVectorIndex({ client: old.client, embedder })).rejects.toThrow('ALTER EXTENSION');
  const none = fakeClient((text) => {
    if (text.startsWith('CREATE EXTENSION')) throw failure('42501', 'permission denied');
    return text.includes('pg_extension') ? [] : undefined;
  });
  const opening = pgVectorIndex({ client: none.client, embedder });
  await expect(opening).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
  await expect(opening).rejects.toThrow('CREATE EXTENSION vector');
});

test('what another process makes at the same moment is not made again', async () => {
  let races = 0;
  const { client } = fakeClient((text) => {
    if (text.startsWith('CREATE TABLE') && ++races <= 2) throw failure('23505', 'pg_type');
    return undefined;
  });
  const index = await pgVectorIndex({ client, embedder });
  expect(races).toBeGreaterThan(2);
  expect(index.dimensions).toBe(2);
  const always = fakeClient((text) => {
    if (text.startsWith('CREATE TABLE')) throw failure('42P07');
    return undefined;
  });
  const opening = pgVectorIndex({ client: always.client, embedder });
  await expect(opening).rejects.toMatchObject({ code: 'VECTOR_INDEX' });
});

test('an id that another process adds meanwhile is refused', async () => {
  const { client } = fakeClient((text) => {
    if (text.includes('jsonb_to_recordset')) throw failure('23505', 'duplicate key');
    return undefined;
  });
  const index = await pgVectorIndex({ client, embedder });
  const adding = index.add([{ id: 'a', vector: query }]);
  await expect(adding).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('names that are no plain names, and options that are none, reach no database', async () => {
  const { client, texts } = fakeClient();
  for (const wrong of [
    { table: 'x"; DROP TABLE y; --' },
    { table: '' },
    { table: 'a b' },
    { table: '1a' },
    { table: 'tablé' },
    { table: 'x'.repeat(41) },
    { table: 7 },
    { schema: 'public.x' },
    { schema: 'x'.repeat(64) },
    { metric: 'taxi' },
    { index: 'ivfflat' },
    { connections: 1 },
    { efConstruction: 8 },
    { efSearch: 1001 },
    { batch: 0 },
    { timeoutMs: 0 },
    { timeoutMs: Infinity },
    { buildTimeoutMs: -1 },
    { embedder: { fingerprint: 'x', dimensions: 2.5 } },
    { client: {} },
  ]) {
    const options = { client, embedder, ...wrong } as PgVectorIndexOptions;
    await expect(pgVectorIndex(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
  expect(texts).toEqual([]);
});

test('close does not end a client that is not its own', async () => {
  let isEnded = false;
  const { client } = fakeClient();
  const index = await pgVectorIndex({
    client: Object.assign(client, { end: () => (isEnded = true) }),
    embedder,
  });
  await index.close();
  expect(isEnded).toBe(false);
});
