import { afterEach, expect, test } from '@jest/globals';
import {
  type AnswerEvent,
  cacheAwareSelector,
  memoryStore,
  type ScoredChunk,
  type Selector,
  type SelectionRequest,
  tieredStore,
} from '../../../../lib/index.js';
import { greedy } from '../../select/stand-ins.js';
import { disposeAll, indexedWeave, question } from '../support.js';

afterEach(disposeAll);

const ids = (set: readonly ScoredChunk[]) => set.map(({ chunk }) => chunk.id);

/** A selector that shows what it was given. */
function watching(): { selector: Selector; seen: SelectionRequest[] } {
  const seen: SelectionRequest[] = [];
  const inner = greedy();
  return {
    seen,
    selector: {
      name: 'watching',
      select(request) {
        seen.push(request);
        return inner.select(request);
      },
    },
  };
}

test('a selector picks among candidates, and the answer says why', async () => {
  const { selector, seen } = watching();
  const { weave } = await indexedWeave({ selector, topK: 2 });
  const events: AnswerEvent[] = [];
  const stream = weave.stream(question);
  for await (const event of stream) events.push(event);
  const { sources, selection, usage } = await stream.answer;
  expect(events.map(({ type }) => type).slice(0, 2)).toEqual(['retrieved', 'selected']);
  expect(seen[0]!.candidates.length).toBeGreaterThan(2);
  expect(selection!.candidates).toHaveLength(seen[0]!.candidates.length);
  const chosen = selection!.candidates.filter((candidate) => candidate.chosen);
  expect(new Set(chosen.map(({ chunkId }) => chunkId))).toEqual(
    new Set(sources.map(({ chunkId }) => chunkId)),
  );
  for (const { chunkId, place } of chosen) expect(sources[place! - 1]!.chunkId).toBe(chunkId);
  expect(selection!.cost).toBeLessThanOrEqual(selection!.budget);
  expect(selection!.tokens).toBe(chosen.reduce((sum, { tokens }) => sum + tokens, 0));
  expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
  // Its value is the weave's own: how likely the question is.
  const chunks = seen[0]!.candidates
    .filter(({ chunk }) => sources.some(({ chunkId }) => chunkId === chunk.id))
    .map(({ chunk }) => chunk);
  const placed = sources.map(({ chunkId }) => chunks.find(({ id }) => id === chunkId)!);
  const { sets } = await weave.probe.losses([placed, []], { question });
  const gain = sets[1]!.reduce((sum, loss, i) => sum + loss - sets[0]![i]!, 0) / sets[0]!.length;
  expect(selection!.value).toBeCloseTo(gain, 4);
});

test('the default budget is what the best topK take, and a question may say otherwise', async () => {
  const { selector, seen } = watching();
  const { weave } = await indexedWeave({ selector, topK: 2 });
  const { tokens, passages } = await weave.prompt(question, { selector: 'top-k' });
  expect(tokens.length).toBeGreaterThan(0);
  await weave.explain(question);
  const taken = passages.reduce((sum, { start, end }) => sum + end - start, 0);
  expect(seen[0]!.budget).toBe(taken);
  await weave.explain(question, { budget: { tokens: 77 } });
  expect(seen[1]!.budget).toBe(77);
  await weave.explain(question, { budget: { milliseconds: 5 } });
  expect(seen[2]!.budget).toBe(5);
  expect(seen[2]!.cost.unit).toBe('milliseconds');
  await weave.explain(question, { retrieve: 3 });
  expect(seen[3]!.candidates).toHaveLength(3);
  for (const budget of [{ tokens: 0 }, { milliseconds: -1 }, { tokens: Number.NaN }, {}]) {
    await expect(weave.explain(question, { budget: budget as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  }
});

test('a set has one layout, whatever order it comes in', async () => {
  const { selector, seen } = watching();
  const { weave } = await indexedWeave({ selector });
  await weave.explain(question);
  const { candidates, order } = seen[0]!;
  expect(ids(order!(candidates.toReversed()))).toEqual(ids(order!(candidates)));
  await weave.explain(question, { order: 'rank' });
  expect(ids(seen[1]!.order!(candidates.toReversed()))).toEqual(ids(candidates));
});

test('nothing that fits the budget gives no passages, and says so', async () => {
  const { weave } = await indexedWeave({ selector: greedy() });
  const answer = await weave.ask(question, { budget: { tokens: 1 } });
  expect(answer.finishReason).toBe('nothing-found');
  expect(answer.selection!.candidates.some(({ chosen }) => chosen)).toBe(false);
  expect(answer.notes.join(' ')).toMatch(/No passage fits a budget of 1 tokens.*No passage was/);
});

test('a plan says what was cached before the question, and where', async () => {
  const store = tieredStore([{ store: memoryStore(), name: 'near' }]);
  const { weave } = await indexedWeave({ store, topK: 1 });
  const before = await weave.explain(question);
  expect(before.selection!.selector).toBe('top-k');
  expect(before.selection!.candidates.every(({ cached }) => cached === undefined)).toBe(true);
  const { sources } = await weave.ask(question);
  await store.flush();
  const after = await weave.explain(question);
  const { candidates } = after.selection!;
  const best = candidates.find(({ chunkId }) => chunkId === sources[0]!.chunkId)!;
  expect(best.cached?.tier).toMatch(/near|memory/);
  const others = candidates.filter((candidate) => candidate !== best);
  expect(others.every(({ cached }) => cached === undefined)).toBe(true);
  // Measured by now, so times are known: what is cached takes less.
  expect(best.expectedMs).toBeLessThan(Math.min(...others.map(({ expectedMs }) => expectedMs!)));
  await store.close();
});

test('explaining answers nothing and computes nothing where no selector asks for values', async () => {
  const { weave, engine } = await indexedWeave();
  const { selection, sources } = await weave.explain(question, { topK: 2 });
  expect(engine.counters.rowLayers).toBe(0);
  expect(sources).toHaveLength(2);
  expect(selection!.candidates.filter(({ chosen }) => chosen)).toHaveLength(2);
  expect(selection!.candidates.length).toBeGreaterThan(2);
  expect(JSON.parse(JSON.stringify(selection))).toEqual(selection);
});

test('a reranker changes which are best', async () => {
  const reversed = {
    name: 'reversed',
    rerank: async ({ candidates }: { readonly candidates: SelectionRequest['candidates'] }) =>
      candidates.toReversed(),
  };
  const { weave } = await indexedWeave({ topK: 1 });
  const { sources: plain } = await weave.prompt(question, { topK: 6, order: 'rank' });
  const { sources } = await weave.prompt(question, { reranker: () => reversed });
  expect(sources[0]!.chunkId).toBe(plain.at(-1)!.chunkId);
});

test('a selection that is none is refused, and the weave goes on', async () => {
  const twice: Selector = {
    name: 'twice',
    async select(request) {
      const { chunks, ...rest } = await greedy().select(request);
      return { ...rest, chunks: [...chunks, ...chunks] };
    },
  };
  const { weave } = await indexedWeave();
  await expect(weave.ask(question, { selector: twice })).rejects.toThrow(/twice chose a passage/);
  const broken: Selector = { name: 'broken', select: () => Promise.reject(new Error('no luck')) };
  await expect(weave.ask(question, { selector: broken })).rejects.toThrow('no luck');
  expect((await weave.ask(question, { selector: greedy() })).sources.length).toBeGreaterThan(0);
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('questions side by side, each with a selection, all end', async () => {
  const { weave } = await indexedWeave({ selector: greedy(), cells: 1024 });
  const answers = await Promise.all([1, 2, 3].map(() => weave.ask(question)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('a budget can be a share of what the best would take now', async () => {
  const { weave } = await indexedWeave({ topK: 3, selector: cacheAwareSelector() });
  const whole = (await weave.explain(question, { budget: { share: 1 } })).selection!;
  const best = whole.candidates.slice(0, 3).map(({ chunkId }) => chunkId);
  expect(whole.unit).toBe('milliseconds');
  const chosen = (plan: typeof whole) =>
    plan.candidates.filter((one) => one.chosen).map(({ chunkId }) => chunkId);
  expect(chosen(whole)).toEqual(best);
  const half = (await weave.explain(question, { budget: { share: 0.5 } })).selection!;
  expect(half.budget).toBeCloseTo(whole.budget / 2, 6);
  expect(chosen(half).length).toBeLessThan(3);
  for (const share of [0, -1, Number.NaN]) {
    await expect(weave.explain(question, { budget: { share } })).rejects.toThrow('{ share }');
  }
});
