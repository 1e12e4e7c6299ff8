import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import {
  attentionReranker,
  bm25Retriever,
  type Chunk,
  coragSelector,
  createWeave,
  type Document,
  memoryStore,
  queryLikelihoodReranker,
  tieredStore,
  type Weave,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';

// Node warns of a leak from the eleventh listener on one signal; none may have as many as there are passages.
const passages = 14;
const fewListeners = 5;
const question = 'Which lantern?';
const words = 'harbour keeper lantern compass herring winter storm quay'.split(' ');
const documents = Array.from({ length: passages }, (_, i): Document => {
  const text = Array.from({ length: 5 }, (__, j) => words[(i * 3 + j * (1 + (i % 4))) % 8]);
  return { id: `document-${i}`, text: `Lantern ${i} of ${text.join(' ')}.` };
});

let most = 0;

beforeEach(() => {
  most = 0;
  const add = EventTarget.prototype.addEventListener;
  jest.spyOn(EventTarget.prototype, 'addEventListener').mockImplementation(function (
    this: EventTarget,
    ...given: Parameters<typeof add>
  ) {
    add.apply(this, given);
    most = Math.max(most, getEventListeners(this, 'abort').length);
  });
});

afterEach(() => {
  jest.restoreAllMocks();
});

type Use = (weave: Weave, signal: AbortSignal, chunks: readonly Chunk[]) => Promise<unknown>;

const uses: Record<string, Use> = {
  'sets of the probe': (weave, signal, chunks) => {
    const sets = chunks.map((chunk, i, all) => [all[(i + 1) % all.length] ?? chunk, chunk]);
    return weave.probe.losses(sets, { question, refresh: 0.1, signal });
  },
  'the pass over candidates': (weave, signal) =>
    weave.ask(question, {
      reranker: (probe) => attentionReranker({ probe, missing: 'encode' }),
      retrieve: passages,
      maxTokens: 1,
      signal,
    }),
  likelihood: (weave, signal) =>
    weave.ask(question, {
      reranker: (probe) => queryLikelihoodReranker({ probe, missing: 'encode' }),
      retrieve: passages,
      maxTokens: 1,
      signal,
    }),
  'a tree search': (weave, signal) =>
    weave.ask(question, {
      selector: coragSelector({ evaluations: 6 }),
      retrieve: passages,
      maxTokens: 1,
      signal,
    }),
  'many passages': (weave, signal) => weave.ask(question, { topK: passages, maxTokens: 1, signal }),
  'a conversation': (weave, signal) =>
    weave.chat().ask(question, { topK: passages, maxTokens: 1, signal }),
  'warming all': (weave, signal) => weave.warm({ signal }),
  'asks side by side': (weave) =>
    Promise.all(documents.map(({ id }) => weave.prompt(`Which lantern is in ${id}?`))),
};

test('a signal has few listeners, however many passages', async () => {
  const engine = new FakeEngine();
  const store = tieredStore([{ store: memoryStore(), name: 'memory' }]);
  const retriever = bm25Retriever();
  // Each passage is looked for among its variants in the store.
  const warmup = { neighbours: 1 };
  const weave = await createWeave({ engine, store, retriever, warmup, cells: 2048 });
  await weave.ingest(documents, { budget: { milliseconds: 0 } });
  const many: Record<string, number> = {};
  // The first of them finds nothing that is cached.
  for (const [use, run] of Object.entries(uses)) {
    most = 0;
    const { signal } = new AbortController();
    await run(weave, signal, [...retriever.chunks!()]);
    if (most > fewListeners) many[use] = most;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  }
  expect(many).toEqual({});
  await weave.dispose();
  await engine.dispose();
});
