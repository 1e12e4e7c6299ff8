import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import {
  type OpenProgress,
  openWeave,
  type OpenWeaveOptions,
} from '../../../adapters/node/index.js';
import { bm25Retriever, InvalidArgumentError, memoryStore } from '../../../lib/index.js';
import { FakeEngine, HashingEmbedder } from '../../../lib/testing/index.js';
import { tinyFile } from '../../support/native.js';

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-node-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const docs = join(folder, 'docs');
const documents = [
  { id: 'keys', text: 'Rotate the signing key each year.' },
  { id: 'otters', text: 'Otters eat fish, and sleep in the river.' },
];

test('one call opens a model, a folder of chunk KV and a folder of documents', async () => {
  mkdirSync(docs);
  for (const { id, text } of documents) writeFileSync(join(docs, `${id}.md`), text);
  writeFileSync(join(docs, 'blank.md'), ' ');
  const model = await tinyFile({ architecture: 'llama' });
  const kvFolder = join(folder, 'kv');
  const steps: OpenProgress[] = [];
  const open = () =>
    openWeave({
      model,
      device: 'cpu',
      threads: 1,
      kvFolder,
      documents: docs,
      onProgress: (step) => steps.push(step),
    });
  const first = await open();
  expect(first.ingested).toMatchObject({ documents: 2, kv: { encoded: 0 } });
  const asked = await first.ask('What do otters eat?', { topK: 1, maxTokens: 4 });
  expect(asked.sources.map(({ documentId }) => documentId)).toEqual(['otters.md']);
  expect(asked.usage.cached).toBe(0);
  await first.dispose();
  expect(readdirSync(kvFolder).length).toBeGreaterThan(0);
  await expect(first.ask('Gone?')).rejects.toThrow(/disposed/);
  await expect(first.engine.createArena({ cells: 1 })).rejects.toThrow(/disposed/);

  const second = await open();
  const again = await second.ask('What do otters eat?', { topK: 1, maxTokens: 4 });
  expect(again.text).toBe(asked.text);
  expect(again.usage.cached).toBeGreaterThan(0);
  await second[Symbol.asyncDispose]();
  const skipped = steps.flatMap((step) => (step.phase === 'skip' ? [step.file.reason] : []));
  expect(skipped).toEqual(['blank', 'blank']);
  expect(steps).toContainEqual({ phase: 'load', of: 'model', share: 1 });
});

test('what was given stays open; an embedder finds by more than words', async () => {
  const engine = new FakeEngine();
  const store = memoryStore();
  const embedder = new HashingEmbedder();
  const weave = await openWeave({ engine, store, embedder, documents });
  expect(embedder.seen.length).toBe(2);
  const { sources } = await weave.ask('What do otters eat?', { maxTokens: 2 });
  expect(sources.length).toBe(2);
  await weave.dispose();
  await (await engine.createArena({ cells: 1 })).dispose();
  expect((await store.stats()).records).toBeGreaterThan(0);
  await engine.dispose();
});

test('what fails leaves nothing open, and says why', async () => {
  const engine = new FakeEngine({ maxCells: 4096 });
  for (let turn = 0; turn < 3; turn++) {
    // Each would take cells that the next one misses.
    await expect(
      openWeave({ engine, cells: 3000, kvFolder: false, documents: join(folder, 'none') }),
    ).rejects.toThrow(/none/);
  }
  await expect(openWeave({ model: join(folder, 'none.gguf'), kvFolder: false })).rejects.toThrow(
    /none\.gguf/,
  );
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(openWeave({ engine, documents, signal, kvFolder: false })).rejects.toThrow('enough');
  await engine.dispose();
});

test('what excludes each other does not compile, and is refused', async () => {
  const engine = new FakeEngine();
  const wrong: OpenWeaveOptions[] = [
    // @ts-expect-error an engine has its model already
    { engine, model: 'smollm2-135m-instruct' },
    // @ts-expect-error and its device
    { engine, device: 'cpu' },
    // @ts-expect-error and its threads
    { engine, threads: 2 },
    // @ts-expect-error a retriever has its embedder already
    { retriever: bm25Retriever(), embedder: 'all-minilm-l6-v2' },
    // @ts-expect-error a store has its place already
    { store: memoryStore(), kvFolder: 'kv' },
  ];
  for (const options of wrong) {
    await expect(openWeave(options)).rejects.toThrow(InvalidArgumentError);
  }
  const right: OpenWeaveOptions[] = [
    {},
    { model: 'smollm2-135m-instruct', device: 'cpu', embedder: 'all-minilm-l6-v2', topK: 4 },
    { engine, retriever: bm25Retriever(), store: memoryStore(), documents },
  ];
  expect(right.length).toBe(3);
  // @ts-expect-error a device that there is none
  const device: OpenWeaveOptions = { device: 'abacus' };
  expect(device).toBeDefined();
  await engine.dispose();
});
