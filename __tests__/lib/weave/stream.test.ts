import { afterEach, expect, test } from '@jest/globals';
import { type AnswerEvent, type EncodingEvent, kvBytesPerToken } from '../../../lib/index.js';
import { disposeAll, indexedWeave, question } from './support.js';

afterEach(disposeAll);

async function collect(stream: AsyncIterable<AnswerEvent>): Promise<AnswerEvent[]> {
  const events: AnswerEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

test('events come in order, and the deltas are the answer', async () => {
  const { weave } = await indexedWeave();
  const stream = weave.stream(question);
  const events = await collect(stream);
  const types = events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  expect(types).toEqual(['retrieved', 'encoding', 'loaded', 'planned', 'delta', 'answer']);
  const text = events.map((event) => (event.type === 'delta' ? event.text : '')).join('');
  const answer = await stream.answer;
  expect(text).toBe(answer.text);
  expect(events.at(-1)).toEqual({ type: 'answer', answer });
});

test('what encoding takes is told before any of it is done', async () => {
  const { weave, engine } = await indexedWeave();
  const events = await collect(weave.stream(question));
  const encoding = events.filter(({ type }) => type === 'encoding') as EncodingEvent[];
  const [first] = encoding;
  const { passages, prefix } = await weave.prompt(question);
  const total = passages.reduce((sum, { start, end }) => sum + end - start, 0);
  expect(first).toMatchObject({ done: 0, total, bytes: total * kvBytesPerToken(engine.model.kv) });
  // The prefix was computed before, so there is a measure.
  expect(prefix.end).toBeGreaterThan(0);
  expect(first?.milliseconds).toBeGreaterThan(0);
  expect(encoding.at(-1)).toEqual({ ...first, done: total });
  expect(encoding.map(({ done }) => done)).toEqual(
    encoding.map(({ done }) => done).toSorted((a, b) => a - b),
  );
  const again = await collect(weave.stream(question));
  expect(again.some(({ type }) => type === 'encoding')).toBe(false);
});

test('a comparison tells of both answers as they come', async () => {
  const { weave } = await indexedWeave();
  const log: string[] = [];
  const texts = { woven: '', full: '' };
  const { woven, full } = await weave.compare(question, {
    onEvent: (answer, event) => {
      log.push(`${answer} ${event.type}`);
      if (event.type === 'delta') texts[answer] += event.text;
    },
  });
  expect(texts).toEqual({ woven: woven.text, full: full.text });
  expect(log[0]).toBe('woven retrieved');
  expect(log.indexOf('woven answer')).toBeLessThan(log.indexOf('full retrieved'));
  expect(log.at(-1)).toBe('full answer');
  expect(log.filter((line) => line === 'full delta').length).toBeGreaterThan(1);
});

test('nothing is lost to who comes late', async () => {
  const { weave } = await indexedWeave();
  const stream = weave.stream(question);
  const answer = await stream.answer;
  const events = await collect(stream);
  expect(events[0]?.type).toBe('retrieved');
  expect(events.at(-1)).toEqual({ type: 'answer', answer });
});

test('leaving the loop aborts the answer', async () => {
  const { weave } = await indexedWeave({ maxTokens: 200 });
  const stream = weave.stream(question);
  for await (const event of stream) if (event.type === 'delta') break;
  await expect(stream.answer).rejects.toMatchObject({ name: 'AbortError' });
  expect((await weave.ask(question, { maxTokens: 3 })).usage.generated).toBe(3);
});

test('a stream that nobody looks at disturbs nobody', async () => {
  const { weave } = await indexedWeave();
  weave.stream('');
  weave.stream(question);
  expect((await weave.ask(question)).text.length).toBeGreaterThan(0);
});
