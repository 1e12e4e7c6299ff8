import { afterEach, expect, test } from '@jest/globals';
import {
  bm25Retriever,
  chunkDocument,
  type ComputeWork,
  CostModel,
  type ChunkRecord,
  type ChunkStore,
  type Document,
  encodeChunkAfter,
  type IngestProgress,
  keyScope,
  kvBytesPerToken,
  meanKv,
  meanVariantKey,
  memoryStore,
  recursiveChunker,
  restoreBm25Retriever,
  variantKey,
  type Warmup,
} from '../../../lib/index.js';
import { createPromptLayout } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import {
  book,
  chunksOf,
  closeAll,
  edited,
  isVariant,
  nothing,
  ownKeys,
  paragraph,
  plenty,
  recordsOf,
  spy,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 8);
const notes = book('notes.md', 6);
const warmup: Warmup = { neighbours: 2 };
const mean: Warmup = { neighbours: 2, preceding: 70 };
const sequence: Warmup = { ...mean, join: 'sequence' };
const question = paragraph('guide.md', 3);

interface Expected {
  readonly own: string;
  readonly key: string;
  /** Tokens computed for it. */
  readonly computed: number;
  /** Keys of what it saw, in order. */
  readonly saw: readonly string[];
  readonly data: Uint8Array;
}

interface Settings {
  readonly preceding?: number | undefined;
  readonly join?: 'mean' | 'sequence' | undefined;
  /** Tokens that an encoding may have. */
  readonly room?: number;
}

/** Every passage encoded after the two that a search for its text finds, and so many tokens before it, without a weave. */
async function direct(
  documents: readonly Document[],
  { preceding = 0, join = 'mean', room = 400 }: Settings = {},
): Promise<Expected[]> {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const arena = await engine.createArena({ cells: 2000 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  const retriever = bm25Retriever();
  const tokensOf = new Map<string, number[]>();
  const keyOf = new Map<string, string>();
  for (const document of documents) {
    const chunks = await chunksOf(document);
    const keys = await ownKeys(document);
    await retriever.add(chunks);
    for (const [i, chunk] of chunks.entries()) {
      tokensOf.set(chunk.id, [...layout.passage(chunk)]);
      keyOf.set(chunk.id, keys[i]!);
    }
  }
  const expected: Expected[] = [];
  for (const document of documents) {
    const chunks = await chunksOf(document);
    for (const [i, chunk] of chunks.entries()) {
      const before: string[] = [];
      let tail: number[] = [];
      const tokens = Int32Array.from(tokensOf.get(chunk.id)!);
      const most = Math.min(preceding, room - tokens.length);
      for (let j = i - 1; j >= 0 && tail.length < most; j--) {
        before.unshift(chunks[j]!.id);
        tail = [...tokensOf.get(chunks[j]!.id)!, ...tail];
      }
      tail = tail.slice(Math.max(0, tail.length - most));
      const isSeenAnyway = (id: string) => join === 'sequence' && before.includes(id);
      let left = room - tokens.length - (join === 'sequence' ? tail.length : 0);
      const near = (await retriever.search(chunk.text, { k: 20 }))
        .map((hit) => hit.chunk.id)
        .filter((id) => id !== chunk.id && !isSeenAnyway(id))
        .slice(0, 2)
        .filter((id) => (left -= tokensOf.get(id)!.length) >= 0)
        .toReversed();
      const encode = async (ids: readonly string[], after: readonly number[]) => {
        const warm = Int32Array.from([...ids.flatMap((id) => tokensOf.get(id)!), ...after]);
        const { kv } = await encodeChunkAfter({ prefix, warmup: warm, tokens });
        return { kv, computed: warm.length + tokens.length };
      };
      const own = keyOf.get(chunk.id)!;
      const chunkKeys = near.map((id) => keyOf.get(id)!);
      const tailTokens = Int32Array.from(tail);
      const saw = [...chunkKeys, ...before.map((id) => keyOf.get(id)!)];
      if (join === 'mean' && near.length > 0 && tail.length > 0) {
        const parts = [await encode(near, []), await encode([], tail)];
        const key = await meanVariantKey(own, [{ chunks: chunkKeys }, { warmup: tailTokens }]);
        const computed = parts.reduce((sum, part) => sum + part.computed, 0);
        expected.push({ own, key, saw, computed, data: meanKv(parts.map(({ kv }) => kv)).data });
      } else {
        const { kv, computed } = await encode(near, tail);
        const key =
          saw.length > 0 ? await variantKey(own, { warmup: tailTokens, chunks: chunkKeys }) : own;
        expected.push({ own, key, saw, computed, data: kv.data });
      }
    }
  }
  await engine.dispose();
  return expected;
}

function variantOf(records: ReadonlyMap<string, ChunkRecord>, own: string) {
  const found = [...records].filter(([key]) => isVariant(key) && key.startsWith(own));
  expect(found).toHaveLength(1);
  const [key, record] = found[0]!;
  return { key, record };
}

async function variants(store: ChunkStore): Promise<Map<string, ChunkRecord>> {
  return new Map([...(await recordsOf(store))].filter(([key]) => isVariant(key)));
}

test.each([
  { preceding: undefined, join: undefined },
  { preceding: 70, join: 'sequence' as const },
  { preceding: 70, join: 'mean' as const },
  { preceding: 70, join: undefined },
])(
  'passages are encoded after their neighbours and the tokens before them, bit for bit: %j',
  async ({ preceding, join }) => {
    const store = memoryStore();
    const given = { ...(preceding !== undefined && { preceding }), ...(join && { join }) };
    const { weave } = await warmWeave({ store, warmup: { neighbours: 2, ...given } });
    await weave.ingest([guide, notes], nothing);
    const estimates: number[] = [];
    const kv = await weave.warm({
      ...plenty,
      onProgress: (progress) => {
        if (progress.phase === 'estimate') estimates.push(progress.all.tokens);
      },
    });
    expect(kv).toMatchObject({ encoded: 14, cached: 0, left: 0 });
    const records = await recordsOf(store);
    const expected = await direct([guide, notes], { preceding, join });
    let kept = 0;
    for (const { own, key: name, saw, data } of expected) {
      const { key, record } = variantOf(records, own);
      expect(key).toBe(name);
      expect(record.context).toEqual({ chunks: saw, warmupTokens: 0 });
      expect(Buffer.compare(record.kv.data, data)).toBe(0);
      expect(record.source).toBeDefined();
      const { length } = record.kv.tokens;
      kept += length;
    }
    expect(kv.tokens).toBe(expected.reduce((sum, { computed }) => sum + computed, 0));
    expect(kv.tokens).toBeGreaterThan(2.5 * kept);
    // By the text's own tokens: the passage once for each encoding, two like it, and what precedes it.
    const times = preceding !== undefined && join !== 'sequence' ? 4 : 3;
    const chunks = [...(await chunksOf(guide)), ...(await chunksOf(notes))];
    const estimate = chunks.map(({ tokens }) => times * tokens.length + (preceding ?? 0));
    expect(estimates[0]).toBe(estimate.reduce((sum, tokens) => sum + tokens));
    // Neighbours come from anywhere in the corpus, also from other documents.
    const other = await ownKeys(notes);
    const fromOthers = expected
      .slice(0, 8)
      .some(({ saw }) => saw.some((key) => other.includes(key)));
    expect(fromOthers).toBe(true);
    // What is there stays, whatever else was indexed since.
    await weave.ingest([book('log.md', 3)], nothing);
    expect(await weave.warm(plenty)).toMatchObject({ encoded: 3, cached: 14 });
  },
);

test('a question takes what was made, in this process and in the next', async () => {
  const store = memoryStore();
  const { policy, seen } = spy();
  const retriever = bm25Retriever();
  const { weave } = await warmWeave({ store, warmup, policy, retriever });
  await weave.ingest([guide, notes], nothing);
  const before = await weave.ask(question);
  expect(before.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    before.sources.map(() => [false, 'prefix']),
  );
  await weave.warm(plenty);
  const after = await weave.ask(question);
  expect(after.sources.map(({ cached }) => cached)).toEqual([true, true, true]);
  // Right after the prefix, KV that saw nothing else is exact.
  expect(after.sources.map(({ encodedAfter }) => encodedAfter)).toEqual([
    'prefix',
    'neighbours',
    'neighbours',
  ]);
  expect(seen.map(({ exact }) => exact)).toEqual([true, false, false]);
  expect(seen.map(({ context }) => context?.chunks.length)).toEqual([undefined, 2, 2]);
  const { usage } = after;
  expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);

  // The corpus has grown since, so neighbours would be others.
  const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
  const { weave: next, engine } = await warmWeave({ store, warmup, retriever: restored });
  await next.ingest([{ id: 'copy.md', text: `${question} Or so.` }], nothing);
  const layers = engine.counters.layers;
  const answer = await next.ask(paragraph('guide.md', 5));
  expect(layers).toBe(0);
  expect(answer.sources.slice(1).map(({ encodedAfter }) => encodedAfter)).toEqual([
    'neighbours',
    'neighbours',
  ]);
  expect(answer.sources.slice(1).every(({ cached }) => cached)).toBe(true);
});

test.each([
  ['mean', 'sequence'],
  ['sequence', 'mean'],
] as const)(
  'a %s is known to who restores the index, and nobody takes what saw other text, or saw it as a %s',
  async (join, otherJoin) => {
    const store = memoryStore();
    const retriever = bm25Retriever();
    const both: Warmup = { neighbours: 1, preceding: 40, join };
    const { weave } = await warmWeave({ store, warmup: both, retriever });
    await weave.ingest([guide], plenty);
    const restored = await restoreBm25Retriever(JSON.parse(JSON.stringify(retriever)));
    const kinds = async (options: Parameters<typeof warmWeave>[0]) => {
      const { weave: other } = await warmWeave({ store, retriever: restored, ...options });
      return (await other.ask(question)).sources.map(({ encodedAfter }) => encodedAfter);
    };
    const made = await kinds({ warmup: both });
    expect(made).toEqual(['neighbours', 'neighbours', 'neighbours']);
    const others: Warmup[] = [
      { neighbours: 1 },
      { ...both, preceding: 41 },
      { ...both, join: otherJoin },
    ];
    for (const other of others) {
      // The first passage of a document has no text before it, however much is wanted.
      expect((await kinds({ warmup: other })).slice(1)).toEqual(['prefix', 'prefix']);
    }
  },
);

test.each([warmup, mean])(
  'a weave of documents takes what saw its own document alone: %j',
  async (warmup) => {
    const store = memoryStore();
    const retriever = bm25Retriever();
    const { weave } = await warmWeave({ store, warmup, retriever });
    await weave.ingest([guide, notes], plenty);
    const made = await variants(store);
    const { weave: other } = await warmWeave({ store, retriever, warmup: 'document' });
    const kinds: (string | undefined)[] = [];
    for (const document of [guide, notes]) {
      const keys = await ownKeys(document);
      const chunks = await chunksOf(document);
      for (const i of chunks.keys()) {
        const { sources } = await other.ask(paragraph(document.id, i));
        // The first stands right after the prefix, where KV that saw nothing else is exact.
        for (const { chunkId, encodedAfter } of sources.slice(1)) {
          const number = chunks.findIndex(({ id }) => id === chunkId);
          if (number < 0) continue;
          const { record } = variantOf(made, keys[number]!);
          const isOwn = record.context!.chunks.every((key) => keys.includes(key));
          expect(encodedAfter).toBe(isOwn ? 'document' : 'prefix');
          kinds.push(encodedAfter);
        }
      }
    }
    expect(new Set(kinds)).toEqual(new Set(['document', 'prefix']));
  },
);

/** Each computation takes ten seconds, and one more for each token. */
class SlowCosts extends CostModel {
  override observeCompute(): void {}
  override predictCompute(work: ComputeWork | readonly ComputeWork[]): number {
    return 10_000 + 1000 * [work].flat().reduce((sum, { tokens }) => sum + tokens, 0);
  }
}

test('a budget of time counts both encodings of a mean', async () => {
  const { weave } = await warmWeave({ warmup: mean, costs: new SlowCosts() });
  await weave.ingest([notes], nothing);
  const estimates: IngestProgress[] = [];
  const onProgress = (progress: IngestProgress) => {
    if (progress.phase === 'estimate') estimates.push(progress);
  };
  const warmed = (milliseconds: number) => weave.warm({ budget: { milliseconds }, onProgress });
  // What a passage will see is not known before, so the plan goes by what passages usually see.
  const chunks = await chunksOf(notes);
  const expected = chunks.map(({ tokens }) => 20_000 + 1000 * (4 * tokens.length + 70));
  const least = Math.min(...expected);
  expect(await warmed(least - 10_001)).toMatchObject({ encoded: 0, left: 6 });
  expect(await warmed(1e9)).toMatchObject({ encoded: 6, left: 0 });
  expect(estimates.at(-1)).toMatchObject({
    all: { milliseconds: expected.reduce((sum, ms) => sum + ms) },
  });
});

test('each of two joins makes its own KV in one store', async () => {
  const store = memoryStore();
  const own = new Set<string>();
  for (const [warm, encoded] of [
    [sequence, 6],
    [mean, 5],
    [{ neighbours: 2 }, 5],
  ] as const) {
    const { weave } = await warmWeave({ store, warmup: warm });
    await weave.ingest([notes], nothing);
    // The first passage of a document has no text before it: its neighbours alone are the same for all.
    expect(await weave.warm(plenty)).toMatchObject({ encoded, cached: 6 - encoded, left: 0 });
    for (const key of (await variants(store)).keys()) own.add(key);
  }
  expect(own.size).toBe(16);
});

test('without neighbours the text before a passage is seen alone, without both nothing', async () => {
  const store = memoryStore();
  const document = {
    id: 'odd.md',
    text: 'Amber basin cobalt dunes.\n\nElm fjord grove hazel islet.',
  };
  const chunker = recursiveChunker({ maxTokens: 32 });
  const { weave } = await warmWeave({ store, warmup: mean, chunker });
  await weave.ingest([document], plenty);
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const chunks = await chunkDocument(document, { tokenizer: engine.tokenizer, chunker });
  expect(chunks).toHaveLength(2);
  const [first, second] = chunks.map((chunk) => layout.passage(chunk)) as [Int32Array, Int32Array];
  const scope = await keyScope({ ...engine, prefix: layout.prefix });
  const alone = await variantKey(await scope.key(second), { warmup: first.slice(-70) });
  const records = await recordsOf(store);
  expect(records.has(alone)).toBe(true);
  expect(records.has(await scope.key(first))).toBe(true);
  expect([...records.keys()].filter(isVariant)).toEqual([alone]);
  const arena = await engine.createArena({ cells: 2000 });
  const prefix = arena.createSequence();
  await prefix.append(layout.prefix, { logits: 'none' });
  const { kv } = await encodeChunkAfter({ prefix, warmup: first.slice(-70), tokens: second });
  expect(Buffer.compare(records.get(alone)!.kv.data, kv.data)).toBe(0);
  await engine.dispose();
});

test('an aborted warm-up keeps no half of a mean and gives its cells back', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store, warmup: mean, fake: { latency: { perRow: 0.3 } } });
  await weave.ingest([guide, notes], nothing);
  const controller = new AbortController();
  const warming = weave.warm({
    ...plenty,
    signal: controller.signal,
    onProgress: ({ phase }) => {
      if (phase === 'encode') setTimeout(() => controller.abort(new Error('enough')), 15);
    },
  });
  await expect(warming).rejects.toThrow('enough');
  expect((await variants(store)).size).toBeLessThan(14);
  const { left } = await weave.warm(plenty);
  expect(left).toBe(0);
  const records = await recordsOf(store);
  for (const { key, data } of await direct([guide, notes], { preceding: 70 })) {
    expect(Buffer.compare(records.get(key)!.kv.data, data)).toBe(0);
  }
});

test.each([warmup, sequence, mean])(
  'with a text goes whatever saw it, and nothing else: %j',
  async (warmup) => {
    const store = memoryStore();
    const { weave } = await warmWeave({ store, warmup });
    await weave.ingest([guide, notes], nothing);
    await weave.warm(plenty);
    const gone = await ownKeys(notes);
    const before = await variants(store);
    const saw = ([key, { context }]: [string, ChunkRecord]) =>
      [key.slice(0, 64), ...context!.chunks].some((one) => gone.includes(one));
    const doomed = [...before].filter(saw).map(([key]) => key);
    // Some of them are of passages that stay.
    expect(doomed.length).toBeGreaterThan(gone.length);
    expect(doomed.length).toBeLessThan(before.size);
    await weave.remove(['notes.md']);
    const left = [...before.keys()].filter((key) => !doomed.includes(key));
    expect([...(await variants(store)).keys()].toSorted()).toEqual(left.toSorted());
    // What went is made anew, after what is there now.
    const kv = await weave.warm(plenty);
    expect(kv).toMatchObject({ encoded: 8 - left.length, cached: left.length });
    expect([...(await variants(store))].filter(saw)).toEqual([]);
    // An edit takes what saw the text that went, also of other documents.
    const [, , third] = await ownKeys(guide);
    await weave.ingest([edited(guide, 2, 'Nothing of that page is left.')], nothing);
    for (const [, { context }] of await variants(store))
      expect(context!.chunks).not.toContain(third);
  },
);

test.each([warmup, mean])(
  'KV that is being made while a neighbour goes leaves nothing behind: %j',
  async (warmup) => {
    const store = memoryStore();
    const { weave } = await warmWeave({ store, warmup, fake: { latency: { perRow: 0.1 } } });
    await weave.ingest([guide, notes], nothing);
    let removing: Promise<unknown> | undefined;
    await weave.warm({
      ...plenty,
      onProgress: ({ phase }) => {
        if (phase === 'encode') removing ??= weave.remove(['notes.md']);
      },
    });
    await removing;
    const gone = await ownKeys(notes);
    const traces = [...(await recordsOf(store))].filter(([key, { context }]) =>
      [key.slice(0, 64), ...(context?.chunks ?? [])].some((one) => gone.includes(one)),
    );
    expect(traces).toEqual([]);
  },
);

test.each([warmup, mean])('the budget is honoured: %j', async (warmup) => {
  const store = memoryStore();
  const { weave, engine } = await warmWeave({ store, warmup });
  await weave.ingest([guide, notes], nothing);
  const perToken = kvBytesPerToken(engine.model.kv);
  const bytes = 150 * perToken;
  const report = await weave.warm({ budget: { ...plenty.budget, bytes } });
  expect(report.bytes).toBeLessThanOrEqual(bytes);
  expect(report.encoded).toBeGreaterThan(0);
  expect(report.left).toBe(14 - report.encoded);
  expect((await variants(store)).size).toBe(report.encoded);
  expect(await weave.warm(plenty)).toMatchObject({ encoded: report.left, cached: report.encoded });

  // Of time: a slow device, of which all is known from one passage.
  const { weave: slow } = await warmWeave({ warmup, fake: { latency: { perRow: 0.3 } } });
  await slow.ingest([guide, notes], nothing);
  const estimates: number[] = [];
  const timed = await slow.warm({
    budget: { milliseconds: 600 },
    onProgress: (progress) => {
      if (progress.phase === 'estimate') estimates.push(progress.planned.chunks);
    },
  });
  expect(timed.encoded).toBeGreaterThan(0);
  expect(timed.left).toBeGreaterThan(0);
  expect(estimates[0]).toBeLessThan(14);
});

test.each([warmup, mean])(
  'two weaves over one store make each passage once: %j',
  async (warmup) => {
    const store: ChunkStore = memoryStore();
    const held = new Set<string>();
    store.lease = async (key) => {
      if (held.has(key)) return undefined;
      held.add(key);
      const release = async () => void held.delete(key);
      return { release, [Symbol.asyncDispose]: release };
    };
    const fake = { latency: { perRow: 0.05 } };
    const options = { store, fake, warmup };
    const made = await Promise.all([warmWeave(options), warmWeave(options)]);
    for (const { weave } of made) await weave.ingest([guide, notes], nothing);
    const reports = await Promise.all(made.map(({ weave }) => weave.warm(plenty)));
    expect(reports[0]!.encoded + reports[1]!.encoded).toBe(14);
    for (const { encoded, cached, left } of reports) {
      expect([encoded + cached, left]).toEqual([14, 0]);
    }
    expect(held.size).toBe(0);
    expect((await variants(store)).size).toBe(14);
  },
);

test('neighbours that do not fit are left out, the least alike first', async () => {
  const store = memoryStore();
  const longest = Math.max(...(await chunksOf(guide)).map(({ tokens }) => tokens.length)) + 1;
  const room = 2 * longest + 4;
  const { weave } = await warmWeave({ store, warmup, cells: room });
  await weave.ingest([guide], plenty);
  const full = await direct([guide]);
  const records = await recordsOf(store);
  for (const { own, saw } of full) {
    expect(variantOf(records, own).record.context!.chunks).toEqual(saw.slice(-1));
  }
  // Of a mean, each encoding has the room for itself.
  const { weave: other } = await warmWeave({
    store,
    warmup: { ...mean, preceding: 500 },
    cells: room,
  });
  await other.ingest([guide], plenty);
  const both = await recordsOf(store);
  const expected = await direct([guide], { preceding: 500, room });
  for (const { key, saw, data } of expected) {
    expect(both.get(key)!.context!.chunks).toEqual(saw);
    expect(Buffer.compare(both.get(key)!.kv.data, data)).toBe(0);
  }
  expect(expected.filter(({ saw }) => saw.length >= 2)).toHaveLength(7);
});

test.each([warmup, mean])(
  'a passage that is alone is encoded after the prefix: %j',
  async (warmup) => {
    const store = memoryStore();
    const { weave } = await warmWeave({ store, warmup });
    const { kv } = await weave.ingest([book('one.md', 1)], plenty);
    expect(kv).toMatchObject({ encoded: 1, left: 0 });
    expect(await weave.warm(plenty)).toMatchObject({ encoded: 0, cached: 1 });
    expect((await variants(store)).size).toBe(0);
    // The same text elsewhere is no neighbour.
    await weave.ingest([{ ...book('one.md', 1), id: 'copy.md' }], plenty);
    expect((await variants(store)).size).toBe(0);
  },
);

test('a store that cannot list costs the better variant, not the answer', async () => {
  const store: ChunkStore = memoryStore();
  const { weave } = await warmWeave({ store, warmup });
  await weave.ingest([guide], plenty);
  store.list = () => {
    throw new Error('down');
  };
  const { sources } = await weave.ask(question);
  expect(sources.map(({ encodedAfter }) => encodedAfter)).toEqual(['prefix', 'prefix', 'prefix']);
});

test.each([
  { neighbours: 0 },
  { neighbours: 1.5 },
  { neighbours: 17 },
  { neighbours: '2' },
  { neighbours: 2, preceding: -1 },
  { neighbours: 2, text: 'both' },
  { neighbours: 2, preceding: 9, join: 'sum' },
])('bad warm-up %j is refused', async (bad) => {
  await expect(warmWeave({ warmup: bad as unknown as Warmup })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});
