import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { folderStore } from '../../../adapters/fs/index.js';
import {
  contextPolicy,
  encodeDocument,
  type EncodingStatistics,
  memoryStore,
  unpackStatistics,
  variantKey,
} from '../../../lib/index.js';
import { createPromptLayout } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import {
  book,
  chunksOf,
  closeAll,
  isVariant,
  nothing,
  ownKeys,
  paragraph,
  plenty,
  recordsOf,
  segments,
  warmWeave,
} from './warmup-support.js';

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-statistics-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(closeAll);

const guide = book('guide.md', 20);
const question = paragraph('guide.md', 11);

/** Within what half precision and another way of summing may change. */
function isClose(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) <= 1e-4 + b[i]! / 1000);
}

async function laidOut() {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const arena = await engine.createArena({ cells: 4000 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  return { engine, layout, prefix, chunks: await chunksOf(guide), keys: await ownKeys(guide) };
}

/** By the key of the passage. */
async function directly(): Promise<Map<string, EncodingStatistics>> {
  const { engine, layout, prefix, chunks, keys } = await laidOut();
  const passages = chunks.map((chunk) => layout.passage(chunk));
  const tokens = Int32Array.from(passages.flatMap((run) => [...run]));
  let at = 0;
  const spans = passages.map(({ length }) => ({ start: at, end: (at += length) }));
  const found = new Map<string, EncodingStatistics>();
  const encoding = encodeDocument({
    model: engine.model,
    prefix,
    tokens,
    spans,
    segments,
    statistics: true,
  });
  for await (const { chunks: encoded } of encoding) {
    for (const { number, statistics } of encoded) found.set(keys[number]!, statistics!);
  }
  await engine.dispose();
  return found;
}

test('an ingest in segments keeps whom each passage attended to, through a store on disk', async () => {
  const store = folderStore({ directory: folder });
  const { weave } = await warmWeave({ store, statistics: true });
  await weave.ingest([guide], plenty);
  const expected = await directly();
  const records = await recordsOf(store);
  let compared = 0;
  for (const [key, { details, context, kv }] of records) {
    const wanted = expected.get(key.slice(0, 64));
    // The canonical prefix.
    if (!wanted) continue;
    compared++;
    const kept = unpackStatistics(details)!;
    expect(kept.tokens).toBe(kv.tokens.length);
    expect(kept.cci).toBeCloseTo(wanted.cci, 6);
    expect(isClose(kept.interByToken, wanted.interByToken)).toBe(true);
    expect(isClose(kept.byLayer!.inter, wanted.byLayer!.inter)).toBe(true);
    expect(isClose(kept.byLayer!.intra, wanted.byLayer!.intra)).toBe(true);
    // Each mass is that on the passage of which the context says so.
    expect(kept.inter).toHaveLength(context?.chunks.length ?? 0);
  }
  expect(compared).toBe(20);
  await weave.dispose();
  await store.close();
});

test('a policy that goes by them finds them, and without them is told so', async () => {
  for (const statistics of [true, false]) {
    const { weave } = await warmWeave({ statistics, policy: contextPolicy({ ratio: 0.2 }) });
    await weave.ingest([guide], plenty);
    const { notes, plan } = await weave.ask(question);
    expect(notes.some((note) => note.includes('without attention statistics'))).toBe(!statistics);
    expect(plan!.passages.length).toBeGreaterThan(0);
  }
});

test('statistics change nothing of the KV', async () => {
  const stores = [memoryStore(), memoryStore()] as const;
  for (const [i, store] of stores.entries()) {
    const { weave } = await warmWeave({ store, statistics: i === 0 });
    await weave.ingest([guide], plenty);
  }
  const [with_, without] = await Promise.all(stores.map(recordsOf));
  expect([...with_!.keys()].toSorted()).toEqual([...without!.keys()].toSorted());
  for (const [key, { kv, details }] of with_!) {
    expect(Buffer.compare(kv.data, without!.get(key)!.kv.data)).toBe(0);
    expect(unpackStatistics(without!.get(key)!.details)).toBeUndefined();
    // Some bytes a token and layer, where the KV takes far more.
    const { byToken, byLayer } = (details ?? {}) as Record<string, Uint8Array | undefined>;
    const size = (byToken?.byteLength ?? 0) + (byLayer?.byteLength ?? 0);
    expect(size).toBeLessThanOrEqual(kv.tokens.length * (2 + 4 * kv.layout.layers));
  }
});

test('behind a fixed text they tell how much each token leaned on the text', async () => {
  const text = 'Harbours, lanterns and ledgers are what these pages tell of.';
  const store = memoryStore();
  const { weave } = await warmWeave({ store, statistics: true, warmup: { text }, cells: 2000 });
  await weave.ingest([guide], nothing);
  await weave.ask(question);
  const { engine, layout, prefix, chunks, keys } = await laidOut();
  const layers = engine.model.probeLayers;
  const warmup = layout.passage({ tokens: (await engine.tokenizer.encode(text)).ids });
  await prefix.append(warmup, { logits: 'none' });
  let compared = 0;
  const records = await recordsOf(store);
  for (const [i, chunk] of chunks.entries()) {
    const record = records.get(await variantKey(keys[i]!, { warmup }));
    if (!record) continue;
    compared++;
    const tokens = layout.passage(chunk);
    const sequence = prefix.fork();
    const { length } = prefix;
    const { attention } = await sequence.append(tokens, {
      logits: 'none',
      attention: {
        layers,
        perLayer: true,
        spans: [
          { start: length - warmup.length, end: length },
          { start: length, end: length + tokens.length },
        ],
      },
    });
    sequence.dispose();
    const { bySpan } = attention![0]!;
    const kept = unpackStatistics(record.details)!;
    const column = (at: number) => bySpan!.filter((_, place) => place % 2 === at);
    expect(isClose(kept.byLayer!.inter, column(0))).toBe(true);
    expect(isClose(kept.byLayer!.intra, column(1))).toBe(true);
    expect(kept.inter).toHaveLength(1);
    expect(kept.inter[0]!.tokens).toBe(warmup.length);
  }
  expect(compared).toBe(3);
  expect([...records.keys()].filter(isVariant)).toHaveLength(3);
  await engine.dispose();
});
