import { afterEach, expect, test } from '@jest/globals';
import { encodeChunk, memoryStore, variantKey, type Warmup } from '../../../lib/index.js';
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

const guide = book('guide.md', 6);
const warmup = { text: 'A neutral passage about the weather of no place in particular.' };
const question = paragraph('guide.md', 3);

/** The warm-up as it would stand in a prompt. */
async function neutral() {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const { ids } = await engine.tokenizer.encode(warmup.text);
  return { engine, layout, tokens: layout.passage({ tokens: ids }) };
}

test('passages are encoded after the text, which is not kept', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store, warmup });
  const { kv } = await weave.ingest([guide], plenty);
  expect(kv).toMatchObject({ encoded: 6, left: 0 });
  const { engine, layout, tokens } = await neutral();
  const arena = await engine.createArena({ cells: 400 });
  const records = await recordsOf(store);
  expect(records.size).toBe(7);
  const keys = await ownKeys(guide);
  for (const [i, chunk] of (await chunksOf(guide)).entries()) {
    const record = records.get(await variantKey(keys[i]!, { warmup: tokens }))!;
    const expected = await encodeChunk({
      arena,
      prefix: layout.prefix,
      warmup: tokens,
      tokens: layout.passage(chunk),
    });
    expect(Buffer.compare(record.kv.data, expected.kv.data)).toBe(0);
    expect(record.context).toEqual({ chunks: [], warmupTokens: tokens.length });
  }
  await engine.dispose();
});

test('what a question misses is encoded after the text right away, and kept', async () => {
  const store = memoryStore();
  const { policy, seen } = spy();
  const { weave } = await warmWeave({ store, warmup, policy });
  await weave.ingest([guide], nothing);
  const first = await weave.ask(question);
  expect(first.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    first.sources.map(() => [false, 'text']),
  );
  expect(seen.map(({ exact }) => exact)).toEqual([false, false, false]);
  expect(seen[0]!.context).toMatchObject({ chunks: [] });
  const { usage } = first;
  // The text is no part of the prompt.
  expect(usage).toMatchObject({ cached: 0, recomputed: 0, fresh: usage.prompt });
  const second = await weave.ask(question);
  expect(second.text).toBe(first.text);
  expect(second.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    first.sources.map(() => [true, 'text']),
  );
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
  expect([...(await recordsOf(store)).keys()].filter(isVariant)).toHaveLength(3);
});

test('a question finds KV made after the prefix alone, and takes it where it is exact', async () => {
  const store = memoryStore();
  const { weave: plain } = await warmWeave({ store, warmup: 'prefix' });
  await plain.ingest([guide], plenty);
  const { policy, seen } = spy();
  const { weave } = await warmWeave({ store, warmup, policy });
  await weave.ingest([guide], nothing);
  const before = await weave.ask(question);
  expect(before.sources.map(({ cached, encodedAfter }) => [cached, encodedAfter])).toEqual(
    before.sources.map(() => [true, 'prefix']),
  );
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 6 });
  const after = await weave.ask(question);
  expect(after.sources.map(({ encodedAfter }) => encodedAfter)).toEqual(['prefix', 'text', 'text']);
  expect(seen.map(({ exact }) => exact)).toEqual([true, false, false]);
});

test('an edit leaves passages that saw nothing but the text, a removal does not', async () => {
  const store = memoryStore();
  const { weave } = await warmWeave({ store, warmup });
  await weave.ingest([guide], plenty);
  const { kv } = await weave.ingest(
    [edited(guide, 2, 'Another page, about another lantern in another tower.')],
    plenty,
  );
  expect(kv).toMatchObject({ encoded: 1, cached: 5 });
  await weave.remove(['guide.md']);
  expect([...(await recordsOf(store)).keys()].filter(isVariant)).toEqual([]);
});

test('a device that fails while the text is computed leaves the weave usable', async () => {
  const { weave, engine } = await warmWeave({ warmup });
  await weave.ingest([guide], nothing);
  const failure = new Error('the device is gone');
  // The prefix takes three layers.
  engine.failNext(failure, 4);
  await expect(weave.ask(question)).rejects.toBe(failure);
  expect((await weave.ask(question)).sources).toHaveLength(3);
});

test.each([
  [{ text: ' \n' }, 'INVALID_ARGUMENT'],
  [{ text: 7 }, 'INVALID_ARGUMENT'],
  ['documents', 'INVALID_ARGUMENT'],
  [null, 'INVALID_ARGUMENT'],
  [{ text: 'much too long '.repeat(300) }, 'CONTEXT_OVERFLOW'],
])('bad warm-up %# is refused', async (bad, code) => {
  await expect(warmWeave({ warmup: bad as unknown as Warmup })).rejects.toMatchObject({ code });
});
