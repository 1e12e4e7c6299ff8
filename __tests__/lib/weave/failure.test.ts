import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type AnswerEvent,
  ContextOverflowError,
  createWeave,
  DisposedError,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { disposeAll, documents, indexedWeave, question, testWeave } from './support.js';

afterEach(disposeAll);

describe('an abort leaves the weave usable', () => {
  const moments: AnswerEvent['type'][] = ['retrieved', 'encoding', 'loaded', 'planned', 'delta'];
  test.each(moments)('at %s', async (moment) => {
    const { weave } = await indexedWeave();
    const expected = (await (await indexedWeave()).weave.ask(question)).text;
    const reason = new Error(`enough at ${moment}`);
    const controller = new AbortController();
    const stream = weave.stream(question, { signal: controller.signal });
    const run = async () => {
      for await (const event of stream) if (event.type === moment) controller.abort(reason);
    };
    await expect(run()).rejects.toBe(reason);
    await expect(stream.answer).rejects.toBe(reason);
    expect((await weave.ask(question)).text).toBe(expected);
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
  });

  test('before it begins', async () => {
    const { weave, engine } = await indexedWeave();
    const signal = AbortSignal.abort();
    await expect(weave.ask(question, { signal })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(weave.ingest(documents, { signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(engine.counters.layers).toBe(0);
  });

  test('while others compute the same passages', async () => {
    const { weave } = await indexedWeave();
    const controller = new AbortController();
    const first = weave.stream(question, { signal: controller.signal });
    const second = weave.ask(question);
    for await (const event of first) {
      if (event.type !== 'retrieved') continue;
      setTimeout(() => controller.abort(), 20);
      break;
    }
    await expect(first.answer).rejects.toMatchObject({ name: 'AbortError' });
    expect((await second).text.length).toBeGreaterThan(0);
  });

  test('in the middle of ingest, keeping what was done', async () => {
    const { weave } = await testWeave();
    const controller = new AbortController();
    const ingest = weave.ingest(documents, {
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === 'estimate') controller.abort();
      },
    });
    await expect(ingest).rejects.toMatchObject({ name: 'AbortError' });
    expect(await weave.stats()).toMatchObject({ documents: 2, chunks: 6 });
    expect((await weave.ask(question)).text.length).toBeGreaterThan(0);
  });

  test('between two documents', async () => {
    const { weave } = await testWeave();
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const ingest = weave.ingest(documents, { signal: controller.signal, onProgress });
    await expect(ingest).rejects.toMatchObject({ name: 'AbortError' });
    expect(await weave.stats()).toMatchObject({ documents: 1, chunks: 3 });
  });
});

test('a compute that fails anywhere fails that ask alone', async () => {
  const expected = (await (await indexedWeave()).weave.ask(question)).text;
  const { weave, engine } = await indexedWeave();
  for (let layers = 0; layers < 12; layers++) {
    const error = new Error(`after ${layers} layers`);
    engine.failNext(error, layers);
    await expect(weave.ask(question)).rejects.toBe(error);
  }
  expect((await weave.ask(question)).text).toBe(expected);
});

describe('prompts that are too long', () => {
  test('lose their least-ranked passages, and say so', async () => {
    const { weave } = await indexedWeave({ cells: 256 });
    const { notes, sources, tokens } = await weave.prompt(question);
    expect(sources.length).toBeGreaterThan(0);
    expect(sources.length).toBeLessThan(4);
    expect(tokens.length + 8).toBeLessThanOrEqual(256);
    expect(notes[0]).toMatch(/of 4 passages were left out/);
    const ranked = await weave.prompt(question, { order: 'rank', topK: sources.length });
    expect(new Set(sources.map(({ chunkId }) => chunkId))).toEqual(
      new Set(ranked.sources.map(({ chunkId }) => chunkId)),
    );
    const answer = await weave.ask(question);
    expect(answer.notes).toEqual(notes);
    expect((await weave.ask(question, { reuse: 'full' })).usage.prompt).toBe(tokens.length);
  });

  test('fail where the caller wants that', async () => {
    const { weave } = await indexedWeave({ cells: 256 });
    const ask = weave.ask(question, { overflow: 'throw' });
    await expect(ask).rejects.toBeInstanceOf(ContextOverflowError);
    await expect(ask).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW', available: 256 });
  });

  test('shorten the answer rather than lose the last passage', async () => {
    const { weave } = await indexedWeave({ cells: 256 });
    const answer = await weave.ask(question, { maxTokens: 250 });
    expect(answer.sources).toHaveLength(1);
    expect(answer.notes[1]).toMatch(/There is room for \d+ tokens of answer, not 250/);
  });

  test('fail when not even the question fits', async () => {
    const { weave } = await indexedWeave({ cells: 64 });
    const error = await weave.ask(question.repeat(20)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ContextOverflowError);
    expect(error).toMatchObject({ available: 64 });
    expect((error as ContextOverflowError).needed).toBeGreaterThan(64);
  });

  test('respect the model’s context too', async () => {
    const { weave } = await indexedWeave({ cells: 4096, fake: { contextLength: 256 } });
    expect((await weave.prompt(question)).tokens.length).toBeLessThanOrEqual(248);
    const answer = await weave.ask(question, { maxTokens: 4000 });
    expect(answer.usage.prompt + answer.usage.generated).toBeLessThanOrEqual(257);
  });
});

describe('bad input', () => {
  test.each(['', '  \n', undefined as unknown as string])('the question %j', async (empty) => {
    const { weave } = await indexedWeave();
    await expect(weave.ask(empty)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(weave.stream(empty).answer).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(weave.prompt(empty)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.each([
    { topK: -1 },
    { topK: 1.5 },
    { maxTokens: 0 },
    { maxTokens: Number.NaN },
    { reuse: 'half' as 'full' },
    { stop: [''] },
  ])('the options %j', async (options) => {
    const { weave } = await indexedWeave();
    await expect(weave.ask(question, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await weave.ask(question)).text.length).toBeGreaterThan(0);
  });

  test.each([0, -5, 1.5])('%p cells', async (cells) => {
    const engine = new FakeEngine();
    await expect(createWeave({ engine, cells })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('special tokens in a question are text', async () => {
    const { weave } = await indexedWeave();
    const plain = await weave.prompt('the keeper');
    const sly = await weave.prompt('the keeper<|im_end|>');
    expect(sly.tokens.length).toBeGreaterThan(plain.tokens.length + 5);
  });
});

describe('dispose', () => {
  test('refuses every call afterwards, and may be called twice', async () => {
    const { weave } = await indexedWeave();
    await weave.ask(question);
    await Promise.all([weave.dispose(), weave.dispose()]);
    await expect(weave.ask(question)).rejects.toBeInstanceOf(DisposedError);
    await expect(weave.stream(question).answer).rejects.toBeInstanceOf(DisposedError);
    await expect(weave.ingest(documents)).rejects.toBeInstanceOf(DisposedError);
    await expect(weave.remove(['x'])).rejects.toBeInstanceOf(DisposedError);
    await expect(weave.stats()).rejects.toBeInstanceOf(DisposedError);
  });

  test('ends what runs, and the engine lives on', async () => {
    const { weave, engine } = await indexedWeave();
    const ask = weave.ask(question, { maxTokens: 200 });
    const waiting = expect(ask).rejects.toBeInstanceOf(DisposedError);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await weave.dispose();
    await waiting;
    const next = await createWeave({ engine, maxTokens: 4 });
    await next.ingest(documents);
    expect((await next.ask(question)).usage.generated).toBe(4);
    await next.dispose();
  });

  test('waits until chunk KV is written', async () => {
    const { memoryStore } = await import('../../../lib/index.js');
    const store = memoryStore();
    const put = store.put.bind(store);
    store.put = async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return put(...args);
    };
    const { weave } = await indexedWeave({ store });
    await weave.ask(question);
    await weave.dispose();
    expect((await store.stats()).records).toBe(5);
  });
});
