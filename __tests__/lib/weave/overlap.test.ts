import { afterEach, expect, test } from '@jest/globals';
import { type AnswerEvent, createWeave, recursiveChunker, type Weave } from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { disposeAll, documents, indexedWeave, question } from './support.js';

afterEach(disposeAll);

const other = 'What does the brass compass from the harbour office do?';

/** Follows an answer; each event goes to `log` under the answer's name. */
async function follow(weave: Weave, name: string, asked: string, log: string[]) {
  const stream = weave.stream(asked);
  let texts = 0;
  for await (const { type } of stream as AsyncIterable<AnswerEvent>) {
    if (type === 'delta' && texts++ === 0) log.push(`${name} begins`);
    if (type === 'answer') log.push(`${name} ends`);
  }
  return stream.answer;
}

async function untilCalled(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test('by default an answer begins while another is being given', async () => {
  // Nothing said of cells, passages and the longest answer; a context that such prompts fill for the most part.
  const engine = new FakeEngine({ contextLength: 512 });
  const weave = await createWeave({ engine, chunker: recursiveChunker({ maxTokens: 64 }) });
  await weave.ingest(documents, { budget: { milliseconds: 0 } });
  const log: string[] = [];
  const first = follow(weave, 'first', question, log);
  await untilCalled(() => log.includes('first begins'));
  const second = follow(weave, 'second', other, log);
  const answers = await Promise.all([first, second]);
  // An answer that is over at once would prove nothing.
  expect(answers[0].usage.generated).toBeGreaterThan(50);
  // Nor would two answers for which there is room in the context of one.
  const { prefix } = await weave.prompt(question);
  for (const { usage } of answers) {
    expect(usage.prompt - prefix.end + 256).toBeGreaterThan(512 / 2);
  }
  expect(log.indexOf('second begins')).toBeLessThan(log.indexOf('first ends'));
  expect(answers[1].timings.wait).toBeLessThan(20);
  expect((await weave.stats()).cells).toEqual({ total: 1024, free: 1024 });
  await weave.dispose();
  await engine.dispose();
});

test('answers that may become long do not keep others from beginning', async () => {
  const { weave: alone } = await indexedWeave({ maxTokens: 200 });
  const { text, usage } = await alone.ask(question);
  const { tokens } = await alone.prompt(question);
  expect(usage.generated).toBe(200);
  // Room for one prompt with its whole answer, and for one more prompt with a part of its answer.
  const cells = 2 * tokens.length + 200 + 64;
  const { weave } = await indexedWeave({ maxTokens: 200, cells });
  const log: string[] = [];
  const oldest = follow(weave, 'a', question, log);
  await untilCalled(() => log.includes('a begins'));
  const later = ['b', 'c', 'd'].map((name) => follow(weave, name, question, log));
  const answers = await Promise.all([oldest, ...later]);
  expect(log.indexOf('b begins')).toBeLessThan(log.indexOf('a ends'));
  // In order, each whole, though later ones had to pause.
  const beginnings = log.filter((line) => line.endsWith('begins'));
  expect(beginnings).toEqual(['a begins', 'b begins', 'c begins', 'd begins']);
  for (const answer of answers) {
    expect(answer.text).toBe(text);
    expect(answer.notes).toEqual([]);
  }
  expect(answers.some(({ timings }) => timings.wait > 10)).toBe(true);
  expect((await weave.stats()).cells.free).toBe(cells);
});

test('an answer that pauses for cells can be aborted; the others go on', async () => {
  const { weave: alone } = await indexedWeave({ maxTokens: 200 });
  const { text } = await alone.ask(question);
  const { tokens } = await alone.prompt(question);
  const cells = 2 * tokens.length + 200 + 64;
  const { weave } = await indexedWeave({ maxTokens: 200, cells });
  const controller = new AbortController();
  const stream = weave.stream(question);
  const second = weave.ask(question, { signal: controller.signal });
  const third = weave.ask(question);
  second.catch(() => {});
  let deltas = 0;
  for await (const { type } of stream) {
    // By then the second has long used up its first 64 cells, and all others are the first's.
    if (type === 'delta' && ++deltas === 120) controller.abort();
  }
  expect(deltas).toBeGreaterThanOrEqual(120);
  await expect(second).rejects.toMatchObject({ name: 'AbortError' });
  expect((await stream.answer).text).toBe(text);
  expect((await third).text).toBe(text);
  expect((await weave.stats()).cells.free).toBe(cells);
});
