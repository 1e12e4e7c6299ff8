import { afterEach, expect, test } from '@jest/globals';
import { memoryStore } from '../../../lib/index.js';
import { disposeAll, documents, indexedWeave, question, testWeave } from './support.js';

afterEach(disposeAll);

const other = 'What does the brass compass from the harbour office do?';

test('asks at once give the answers that they give one by one', async () => {
  const { weave } = await indexedWeave();
  const alone = [await weave.ask(question), await weave.ask(other)];
  const { weave: fresh } = await indexedWeave();
  const together = await Promise.all([
    fresh.ask(question),
    fresh.ask(other),
    fresh.ask(question),
    fresh.ask(other, { reuse: 'full' }),
  ]);
  expect(together[0]!.text).toBe(alone[0]!.text);
  expect(together[1]!.text).toBe(alone[1]!.text);
  expect(together[2]!.text).toBe(alone[0]!.text);
  for (const { usage } of together) {
    expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
  }
});

test('two asks that miss the same passages compute them once', async () => {
  const store = memoryStore();
  let puts = 0;
  const put = store.put.bind(store);
  store.put = (...args) => {
    puts++;
    return put(...args);
  };
  const { weave } = await indexedWeave({ store });
  const answers = await Promise.all([
    weave.ask(question),
    weave.ask(question),
    weave.ask(question),
  ]);
  expect(puts).toBe(5); // four passages and the prefix
  const fresh = answers.map(({ usage }) => usage.fresh).sort((a, b) => a - b);
  expect(fresh[0]).toBe(fresh[1]);
  expect(fresh[2]).toBeGreaterThan(fresh[0]! + 100);
});

test('when cells run short an ask waits', async () => {
  const { weave } = await indexedWeave();
  const { tokens } = await weave.prompt(question);
  const { weave: small } = await indexedWeave({ cells: tokens.length + 8 });
  const answers = await Promise.all([1, 2, 3, 4].map(() => small.ask(question)));
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  expect(answers.some(({ timings }) => timings.wait > 10)).toBe(true);
  const { cells } = await small.stats();
  expect(cells.free).toBe(cells.total);
});

test('all cells are free again after answers, errors and aborts', async () => {
  const { weave, engine } = await indexedWeave();
  await weave.ask(question);
  const controller = new AbortController();
  const aborted = weave.ask(question, { signal: controller.signal, maxTokens: 100 });
  setTimeout(() => controller.abort(), 30);
  await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  engine.failNext(new Error('no'), 1);
  await expect(weave.ask(question)).rejects.toThrow('no');
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('asking goes on while documents are ingested', async () => {
  const { weave } = await indexedWeave();
  const more = Array.from({ length: 20 }, (_, i) => ({ ...documents[1]!, id: `copy ${i}` }));
  const ingest = weave.ingest(more);
  const answer = await weave.ask(question);
  expect(answer.text.length).toBeGreaterThan(0);
  expect((await ingest).documents).toBe(20);
});

test('ingests at once keep each other’s documents', async () => {
  const { weave } = await testWeave();
  await Promise.all(documents.map((document) => weave.ingest([document])));
  expect(await weave.stats()).toMatchObject({ documents: 2, chunks: 6 });
});
