import { afterEach, expect, test } from '@jest/globals';
import type { AnswerEvent } from '../../../lib/index.js';
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
