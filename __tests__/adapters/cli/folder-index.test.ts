import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import type { Collection } from '../../../adapters/cli/collection.js';
import { FolderIndex } from '../../../adapters/cli/folder-index.js';
import { Terminal } from '../../../adapters/cli/report/terminal.js';
import {
  bm25Retriever,
  type Chunk,
  ComputeError,
  defaultFusion,
  denseRetriever,
  type Embedder,
  flatIndex,
  hybridRetriever,
} from '../../../lib/index.js';
import { HashingEmbedder } from '../../../lib/testing/index.js';

const root = mkdtempSync(join(tmpdir(), 'chunkweave-index-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let collection: Collection;
let said: string[];
beforeEach(() => {
  const folder = mkdtempSync(join(root, 'indexes-'));
  const name = 'abc123';
  const indexFile = join(folder, `${name}.msgpack`);
  collection = { path: root, files: [], choice: {}, name, indexFile, fingerprint: 'f', model: 'm' };
  said = [];
});

const signal = new AbortController().signal;
const animals = ['otter', 'panda', 'koala', 'lemur', 'tapir'];
const foods = ['fish', 'bamboo', 'leaves', 'fruit', 'grass', 'roots', 'seeds'];

function passage(number: number, text: string): Chunk {
  const tokens = Int32Array.of(number);
  const end = text.length;
  return { id: `doc#${text}`, documentId: 'doc', text, start: 0, end, tokens, tokenStart: number };
}
const texts = Array.from(
  { length: 80 },
  (_, i) => `Note ${i}: the ${animals[i % 5]} likes ${foods[i % 7]} on day ${i % 11}.`,
);
const passages = texts.map((text, i) => passage(i, text));

async function open(
  embedder: Embedder | undefined,
  chunks: readonly Chunk[] = passages,
): Promise<FolderIndex> {
  const output = { write: (text: string) => void said.push(text), isTTY: false, columns: 80 };
  const lexical = bm25Retriever();
  await lexical.add(chunks);
  const terminal = new Terminal({ stderr: output, env: {} });
  return new FolderIndex({ collection, lexical, embedder, terminal });
}

const files = (): string[] => readdirSync(join(collection.indexFile, '..')).toSorted();
const pathOf = (pattern: RegExp): string =>
  join(collection.indexFile, '..', files().find((name) => pattern.test(name)) as string);
const question = 'Which lemur likes seeds?';
const idsOf = async (index: FolderIndex): Promise<string[]> =>
  (await index.retriever.search(question, { k: 6 })).map(({ chunk }) => chunk.id);

test('finds what a hybrid retriever made at once finds, and so does the next run, which embeds nothing', async () => {
  const embedder = new HashingEmbedder();
  const whole = hybridRetriever({
    retrievers: {
      lexical: bm25Retriever(),
      dense: denseRetriever({ embedder, index: flatIndex({ embedder }) }),
    },
    ...defaultFusion,
  });
  await whole.add(passages);
  const expected = (await whole.search(question, { k: 6 })).map(({ chunk }) => chunk.id);

  const first = await open(embedder);
  await first.embed({ signal });
  expect(first.kind).toBe('hybrid');
  expect(await idsOf(first)).toEqual(expected);

  const later = new HashingEmbedder();
  const second = await open(later);
  await second.embed({ signal });
  expect(later.seen).toEqual([]);
  expect(await idsOf(second)).toEqual(expected);
  expect(later.seen).toEqual([question]);
  expect(files()).toHaveLength(2);
  expect(said).toEqual([]);
});

test('without an embedder it is BM25, and what was embedded before stays for later', async () => {
  await (await open(new HashingEmbedder())).embed({ signal });
  const plain = await open(undefined);
  await plain.embed({ signal });
  expect(plain.kind).toBe('bm25');
  const lexical = bm25Retriever();
  await lexical.add(passages);
  const expected = await lexical.search(question, { k: 6 });
  expect(await idsOf(plain)).toEqual(expected.map(({ chunk }) => chunk.id));
  const again = new HashingEmbedder();
  await (await open(again)).embed({ signal });
  expect(again.seen).toEqual([]);
});

test('a passage that is new is embedded, one that went is forgotten', async () => {
  await (await open(new HashingEmbedder())).embed({ signal });
  const other = passage(80, 'The wombat digs.');
  const embedder = new HashingEmbedder();
  const changed = [...passages.slice(3), other];
  const index = await open(embedder, changed);
  await index.embed({ signal });
  expect(embedder.seen).toEqual([other.text]);
  expect(index.kind).toBe('hybrid');
  const all = await index.retriever.search(`${question} wombat`, { k: 200 });
  const known = new Set(changed.map(({ id }) => id));
  expect(all).toHaveLength(changed.length);
  expect(all.every(({ chunk }) => known.has(chunk.id))).toBe(true);
  expect(files()).toHaveLength(2);
  const later = new HashingEmbedder();
  await (await open(later, changed)).embed({ signal });
  expect(later.seen).toEqual([]);
});

test('out of time it says so and BM25 alone goes on; every call gets further', async () => {
  const embedder = new HashingEmbedder();
  const index = await open(embedder);
  await index.embed({ milliseconds: 0, signal });
  const made = embedder.seen.length;
  expect(made).toBeGreaterThan(0);
  expect(made).toBeLessThan(passages.length);
  expect(index.kind).toBe('bm25');
  expect(said.join('')).toContain(`${80 - made} passages of 80 still to be embedded`);
  await idsOf(index);
  expect(embedder.seen).toHaveLength(made);

  const later = new HashingEmbedder();
  const next = await open(later);
  while (next.kind === 'bm25') {
    const before = later.seen.length;
    await next.embed({ milliseconds: 0, signal });
    expect(later.seen.length).toBeGreaterThan(before);
  }
  expect(later.seen).toEqual(texts.slice(made));
});

test('an abort keeps what was embedded until then', async () => {
  const stop = new AbortController();
  const reason = new Error('stopped');
  const embedder = new HashingEmbedder();
  const embed = embedder.embed.bind(embedder);
  embedder.embed = async (some, options) => {
    if (embedder.seen.length > 0) stop.abort(reason);
    return embed(some, options);
  };
  await expect((await open(embedder)).embed({ signal: stop.signal })).rejects.toBe(reason);
  const made = embedder.seen.length;
  const later = new HashingEmbedder();
  await (await open(later)).embed({ signal });
  expect(later.seen).toEqual(texts.slice(made));
  expect(made).toBeGreaterThan(0);
});

test.each([
  ['the vectors are cut short', /\.vectors$/, (bytes: Buffer) => bytes.subarray(0, -40)],
  ['a bit of the vectors is flipped', /\.vectors$/, flipped],
  ['the vectors are gone', /\.vectors$/, undefined],
  ['the list is nonsense', /embedded/, () => Buffer.from('garbage')],
  ['the list is gone', /embedded/, undefined],
])('where %s they are made anew', async (_, pattern, damage) => {
  await (await open(new HashingEmbedder())).embed({ signal });
  const path = pathOf(pattern);
  if (damage) writeFileSync(path, damage(readFileSync(path)));
  else rmSync(path);
  for (const [seen, length] of [[texts, 80] as const, [[], 0] as const]) {
    const embedder = new HashingEmbedder();
    const index = await open(embedder);
    await index.embed({ signal });
    expect(embedder.seen).toEqual(seen);
    expect(embedder.seen).toHaveLength(length);
    expect(index.kind).toBe('hybrid');
  }
  expect(files()).toHaveLength(2);
});

function flipped(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1]! ^= 4;
  return bytes;
}

test('vectors of another embedder are not used, and give way', async () => {
  await (await open(new HashingEmbedder())).embed({ signal });
  const other = new HashingEmbedder({ dimensions: 64 });
  await (await open(other)).embed({ signal });
  expect(other.seen).toEqual(texts);
  expect(files()).toHaveLength(2);
});

test('an embedder that fails leaves BM25, and it is said', async () => {
  const embedder = new HashingEmbedder();
  embedder.embed = () => Promise.reject(new ComputeError('The device is gone.'));
  const index = await open(embedder);
  await index.embed({ signal });
  expect(index.kind).toBe('bm25');
  expect((await idsOf(index)).length).toBeGreaterThan(0);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('The device is gone.');
});

test('a question that cannot be embedded is answered by BM25, and it is said once', async () => {
  const embedder = new HashingEmbedder();
  const index = await open(embedder);
  await index.embed({ signal });
  embedder.embed = () => Promise.reject(new ComputeError('The device is gone.'));
  expect((await idsOf(index)).length).toBeGreaterThan(0);
  expect(await idsOf(index)).toEqual(await idsOf(await open(undefined)));
  expect(said).toHaveLength(1);
});

test('vectors that cannot be saved are used all the same, and it is said', async () => {
  mkdirSync(join(collection.indexFile, '..', `${collection.name}.embedded.msgpack`));
  const index = await open(new HashingEmbedder());
  await index.embed({ signal });
  expect(index.kind).toBe('hybrid');
  expect(said.join('')).toContain('not kept');
});

async function scoresOf({ retriever }: FolderIndex): Promise<Map<string, string>> {
  const hits = await retriever.search(question, { k: 80 });
  return new Map(hits.map(({ chunk, score }) => [chunk.text, score.toFixed(4)]));
}

test('passages of a file that has another name now keep their vectors', async () => {
  await (await open(new HashingEmbedder())).embed({ signal });
  const renamed = passages.map((chunk) => {
    return { ...chunk, id: chunk.id.replace('doc#', 'new#'), documentId: 'new' };
  });
  const embedder = new HashingEmbedder();
  const index = await open(embedder, [...renamed.slice(0, 40), ...passages.slice(40)]);
  await index.embed({ signal });
  expect(embedder.seen).toEqual([]);
  expect(index.kind).toBe('hybrid');
  const fresh = await open(new HashingEmbedder());
  await fresh.embed({ signal });
  expect(await scoresOf(index)).toEqual(await scoresOf(fresh));
});
