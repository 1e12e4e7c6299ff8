import { afterEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type AnswerEvent,
  type ChatAnswer,
  createWeave,
  DisposedError,
  fullPolicy,
  lastQuestions,
  nonePolicy,
  rewrittenQuestion,
} from '../../../../lib/index.js';
import { FakeEngine } from '../../../../lib/testing/index.js';
import { largestDifference, watchLogits } from '../../../support/logits-watch.js';
import { disposeAll, documents, question } from '../support.js';
import { chatWeave, distanceFromPrefill } from './support.js';

afterEach(disposeAll);

const followUps = [
  'What did the keeper write every evening?',
  'Which fish do boats unload at the quay?',
  'When does the tower clock strike?',
  'What is the oldest thing in the museum?',
];

function expectSum({ usage }: ChatAnswer): void {
  expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
}

test('the first turn is the answer that the weave gives', async () => {
  const { weave } = await chatWeave();
  const asked = await weave.ask(question);
  const turn = await weave.chat().ask(question);
  expect(turn.text).toBe(asked.text);
  expect(turn.sources.map(({ chunkId }) => chunkId)).toEqual(
    asked.sources.map(({ chunkId }) => chunkId),
  );
  expect(turn).toMatchObject({ turn: 1, query: question, forgotten: 0 });
  expect(turn.usage.prompt).toBe(asked.usage.prompt);
});

test('a follow-up computes only what is new, and brings no passage a second time', async () => {
  const { weave, engine } = await chatWeave({ topK: 2 });
  const chat = weave.chat({ policy: nonePolicy() });
  await chat.ask(question);
  for (const [i, followUp] of followUps.entries()) {
    const before = (await chat.tokens()).length;
    const rows = engine.counters.rowLayers;
    const answer = await chat.ask(followUp);
    expectSum(answer);
    expect(answer.turn).toBe(i + 2);
    const fresh = answer.sources.filter(({ turn }) => turn === answer.turn);
    // Of what stood there, all but the last token of an answer that ended by its length.
    expect(answer.usage.cached).toBeGreaterThanOrEqual(before - 1);
    const added = answer.usage.prompt - before;
    // New passages were never computed before here: right after the prefix, each once.
    const computed = (engine.counters.rowLayers - rows) / engine.model.layers;
    expect(computed).toBeLessThanOrEqual(added + 1 + answer.usage.generated);
    expect(fresh.length).toBeLessThanOrEqual(2);
    expect((await chat.tokens()).length).toBe(answer.conversationTokens);
  }
  const ids = chat.turns.flatMap(({ chunkIds }) => chunkIds);
  expect(new Set(ids).size).toBe(ids.length);
});

test('passages that stand there already are told with the turn that brought them', async () => {
  const { weave } = await chatWeave();
  const chat = weave.chat();
  const first = await chat.ask(question);
  const again = await chat.ask(question);
  expect(again.sources.map(({ chunkId }) => chunkId).toSorted()).toEqual(
    first.sources.map(({ chunkId }) => chunkId).toSorted(),
  );
  expect(again.sources.every(({ turn, cached }) => turn === 1 && cached)).toBe(true);
  expect(again.sources.map(({ number }) => number)).toEqual(
    first.sources.map(({ number }) => number),
  );
  expect(again.plan).toBeUndefined();
});

describe('a conversation whose passages are all computed again', () => {
  test('gives in every turn the logits of a plain prefill of the same tokens', async () => {
    const { weave, engine } = await chatWeave({ topK: 2, policy: fullPolicy() });
    const chat = weave.chat();
    const rows = watchLogits(engine);
    for (const asked of [question, ...followUps.slice(0, 3)]) {
      const at = rows.length;
      const { usage } = await chat.ask(asked);
      const prompt = (await chat.tokens()).slice(0, usage.prompt);
      expect(await distanceFromPrefill(engine, prompt, rows[at]!)).toBeLessThan(1e-4);
    }
  });

  test('says what a conversation computed in full says', async () => {
    const { weave } = await chatWeave({ topK: 2, policy: fullPolicy() });
    const [woven, full] = [weave.chat(), weave.chat()];
    for (const asked of [question, ...followUps.slice(0, 2)]) {
      const one = await woven.ask(asked);
      const other = await full.ask(asked, { reuse: 'full' });
      expect(one.text).toBe(other.text);
      expect(other.usage).toMatchObject({ cached: 0, recomputed: 0, fresh: other.usage.prompt });
      expectSum(one);
    }
    expect(await woven.tokens()).toEqual(await full.tokens());
  });
});

test('any questions in any order: usage adds up, tokens are those told, cells come back', async () => {
  const { weave } = await chatWeave({ topK: 2, maxTokens: 3 });
  await weave.warm();
  const pool = [question, ...followUps];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ i: fc.nat(4), full: fc.boolean() }), { minLength: 1, maxLength: 3 }),
      async (asked) => {
        const chat = weave.chat();
        for (const { i, full } of asked) {
          const answer = await chat.ask(pool[i]!, full ? { reuse: 'full' } : {});
          expectSum(answer);
          expect((await chat.tokens()).length).toBe(answer.conversationTokens);
          for (const source of answer.sources) {
            const { chunkIds } = chat.turns[source.turn - 1]!;
            expect(chunkIds).toContain(source.chunkId);
          }
        }
        const ids = chat.turns.flatMap(({ chunkIds }) => chunkIds);
        expect(new Set(ids).size).toBe(ids.length);
        await chat.dispose();
        const { cells } = await weave.stats();
        expect(cells.free).toBe(cells.total);
      },
    ),
    { numRuns: 4 },
  );
});

test('what was not answered yet is not in the conversation', async () => {
  const { weave } = await chatWeave();
  const chat = weave.chat();
  expect(chat.turns).toEqual([]);
  const nothing = await chat.ask('zzz');
  expect(nothing).toMatchObject({ finishReason: 'nothing-found', text: '', turn: 1 });
  expect(chat.turns).toEqual([]);
  await chat.ask(question);
  // Later turns rest on the conversation.
  const thanks = await chat.ask('zzz', { topK: 0 });
  expect(thanks.text.length).toBeGreaterThan(0);
  expect(thanks.notes.join()).toMatch(/comes from the conversation/);
  expect(chat.turns).toHaveLength(2);
});

test('a stop string is no part of the conversation', async () => {
  const { weave, engine } = await chatWeave();
  const plain = await weave.chat({ policy: fullPolicy() }).ask(question);
  // Somewhere in the middle of what is said, also where no token begins.
  for (let at = 1; at < Math.min(3, plain.text.length - 1); at++) {
    const stop = plain.text.slice(at, at + 2);
    const chat = weave.chat({ policy: fullPolicy() });
    const { text, finishReason, conversationTokens, usage } = await chat.ask(question, {
      stop: [stop],
    });
    expect(finishReason).toBe('stop-string');
    expect(chat.turns[0]?.answer).toBe(text);
    const said = (await chat.tokens()).slice(usage.prompt);
    expect(engine.tokenizer.decode(said)).toBe(text);
    expect(usage.prompt + said.length).toBe(conversationTokens);
    const rows = watchLogits(engine);
    const next = await chat.ask(followUps[0]!, { maxTokens: 1 });
    const prompt = (await chat.tokens()).slice(0, next.usage.prompt);
    expect(await distanceFromPrefill(engine, prompt, rows[0]!)).toBeLessThan(1e-4);
    await chat.dispose();
  }
});

describe('follow-ups are searched for', () => {
  test('with the last two questions by default', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat();
    await chat.ask('Who was the keeper?');
    await chat.ask('And the clock?');
    expect((await chat.ask('Why?')).query).toBe('Who was the keeper?\nAnd the clock?\nWhy?');
    expect((await chat.ask('So?')).query).toBe('And the clock?\nWhy?\nSo?');
  });

  test('as the caller says', async () => {
    const { weave } = await chatWeave();
    const alone = weave.chat({ followUp: lastQuestions({ turns: 0 }) });
    await alone.ask(question);
    expect((await alone.ask('And the clock?')).query).toBe('And the clock?');
    expect(() => lastQuestions({ turns: -1 })).toThrow(/at least 0/);
  });

  test('as a language model rewrites them', async () => {
    const { weave } = await chatWeave();
    const asked: string[] = [];
    const answers = ['When does the tower clock strike?', '  '];
    const model = {
      name: 'scripted',
      generate: async ({ prompt }: { readonly prompt: string }) => {
        asked.push(prompt);
        const usage = { promptTokens: 1, generatedTokens: 1 };
        return { text: answers.shift() ?? '', finishReason: 'stop' as const, usage };
      },
    };
    const chat = weave.chat({ followUp: rewrittenQuestion({ model }), topK: 1 });
    const first = await chat.ask(question);
    const second = await chat.ask('And when does it strike?');
    expect(second.query).toBe('When does the tower clock strike?');
    expect(second.sources[0]?.text).toMatch(/strikes thirteen/);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toContain(`Question: ${question}\nAnswer: ${first.text}`);
    // The question that is answered is the person's own.
    expect(chat.turns[1]?.question).toBe('And when does it strike?');
    const third = await chat.ask('And the compass?');
    expect(third.query).toBe('And the compass?');
    expect(third.notes.join()).toMatch(/no query/);
  });
});

test('turns run in the order of the calls', async () => {
  const { weave } = await chatWeave();
  const chat = weave.chat();
  const answers = await Promise.all([question, ...followUps].map((asked) => chat.ask(asked)));
  expect(answers.map(({ turn }) => turn)).toEqual([1, 2, 3, 4, 5]);
  expect(chat.turns.map((turn) => turn.question)).toEqual([question, ...followUps]);
});

test('streaming tells what happens, and the last event is the answer', async () => {
  const { weave } = await chatWeave();
  const chat = weave.chat();
  await chat.ask('What is the oldest thing in the museum?', { topK: 1 });
  const types: AnswerEvent['type'][] = [];
  let text = '';
  const stream = chat.stream(question);
  for await (const event of stream) {
    if (types.at(-1) !== event.type) types.push(event.type);
    if (event.type === 'delta') text += event.text;
  }
  const answer = await stream.answer;
  expect(text).toBe(answer.text);
  expect(types).toEqual(['retrieved', 'encoding', 'loaded', 'planned', 'delta', 'answer']);
});

describe('a turn that fails leaves the chat at its last whole turn', () => {
  const moments: AnswerEvent['type'][] = ['retrieved', 'encoding', 'loaded', 'planned', 'delta'];
  test.each(moments)('by an abort at %s', async (moment) => {
    const { weave } = await chatWeave({ topK: 2 });
    const chat = weave.chat();
    await chat.ask(question);
    const [turns, tokens] = [chat.turns, await chat.tokens()];
    const free = (await weave.stats()).cells.free;
    const controller = new AbortController();
    const reason = new Error(`enough at ${moment}`);
    const stream = chat.stream(followUps[2]!, { signal: controller.signal });
    const run = async () => {
      for await (const event of stream) if (event.type === moment) controller.abort(reason);
    };
    await expect(run()).rejects.toBe(reason);
    expect(chat.turns).toEqual(turns);
    expect(await chat.tokens()).toEqual(tokens);
    expect((await weave.stats()).cells.free).toBe(free);

    const other = await chatWeave({ topK: 2 });
    const whole = other.weave.chat();
    await whole.ask(question);
    const [expected, said] = [await whole.ask(followUps[2]!), await chat.ask(followUps[2]!)];
    expect(said.text).toBe(expected.text);
    expect(said.usage.cached).toBeGreaterThanOrEqual(expected.usage.cached);
  });

  test('by leaving the stream, or an abort while it waits for its turn', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat();
    await chat.ask(question);
    for await (const event of chat.stream(followUps[0]!)) if (event.type === 'delta') break;
    const controller = new AbortController();
    const first = chat.ask(followUps[1]!);
    const queued = chat.ask(followUps[2]!, { signal: controller.signal });
    controller.abort();
    await expect(queued).rejects.toMatchObject({ name: 'AbortError' });
    expect((await first).turn).toBe(2);
    expect(chat.turns).toHaveLength(2);
  });

  test('by a compute that fails anywhere', async () => {
    const { weave, engine } = await chatWeave({ topK: 2 });
    const chat = weave.chat();
    await chat.ask(question);
    const tokens = await chat.tokens();
    let failures = 0;
    for (let layers = 0; layers < 13; layers += 4) {
      const error = new Error(`after ${layers} layers`);
      engine.failNext(error, layers);
      const fork = chat.fork();
      const failed = await fork.ask(followUps[2]!).then(
        () => false,
        (reason: unknown) => reason === error,
      );
      if (failed) {
        failures++;
        expect(fork.turns).toHaveLength(1);
        expect(await fork.tokens()).toEqual(tokens);
        await fork.ask(followUps[2]!);
      }
      await fork.dispose();
    }
    expect(failures).toBeGreaterThan(2);
  });

  test('by its follow-up query', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat({ followUp: () => Promise.reject(new Error('the model is down')) });
    await chat.ask(question);
    await expect(chat.ask('And then?')).rejects.toThrow('the model is down');
    expect(chat.turns).toHaveLength(1);
  });
});

test('a fork goes on by itself', async () => {
  const { weave, engine } = await chatWeave({ topK: 2 });
  const chat = weave.chat();
  await chat.ask(question);
  const fork = chat.fork();
  const rows = watchLogits(engine);
  const one = await fork.ask(followUps[1]!);
  const other = await chat.ask(followUps[1]!);
  expect(other.text).toBe(one.text);
  expect(largestDifference(rows[0]!, rows[one.usage.generated]!)).toBe(0);
  expect(other.usage.prompt).toBe(one.usage.prompt);
  await chat.dispose();
  const next = await fork.ask(followUps[3]!);
  expect(next.usage.cached).toBeGreaterThan(one.usage.prompt - 1);
  expect(fork.turns).toHaveLength(3);
  await fork.dispose();
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('turns that were said elsewhere stand in front, as if they had been said here', async () => {
  const { weave, engine } = await chatWeave({ topK: 0 });
  const said = { whenNothingFound: 'answer' as const };
  const chat = weave.chat(said);
  await chat.ask(question);
  await chat.ask(followUps[0]!);
  const history = chat.turns.map((turn) => ({ question: turn.question, answer: turn.answer }));
  const resumed = weave.chat({ ...said, history });
  expect(resumed.turns.map(({ answer }) => answer)).toEqual(history.map(({ answer }) => answer));
  const { tokenizer } = engine;
  expect(tokenizer.decode(await resumed.tokens())).toBe(tokenizer.decode(await chat.tokens()));
  const answer = await resumed.ask(followUps[1]!);
  expect(answer.turn).toBe(3);
  // Nothing of it stood in cells.
  const { prefix } = await weave.prompt(question);
  expect(answer.usage).toMatchObject({ cached: prefix.end, recomputed: 0 });
  expect((await resumed.ask(followUps[2]!)).usage.cached).toBeGreaterThan(answer.usage.prompt);
});

test('passages whose document is removed leave the conversation', async () => {
  const { weave } = await chatWeave();
  const chat = weave.chat();
  await chat.ask(question);
  await weave.remove(['harbour.md']);
  const answer = await chat.ask(followUps[3]!);
  expect(answer.notes.join()).toMatch(/in no document any more/);
  const known = new Set(answer.sources.map(({ documentId }) => documentId));
  expect([...known]).toEqual(['museum.md']);
  const text = chat.turns.flatMap(({ chunkIds }) => chunkIds);
  expect(text.every((id) => id.startsWith('museum.md'))).toBe(true);
  expectSum(answer);
});

describe('bad input', () => {
  test.each([
    { layout: 'set' as 'sequence' },
    { keep: 1.5 },
    { keep: Number.NaN },
    { whenFull: 'half' as 'throw' },
    { history: [{ question: '', answer: 'x' }] },
    { history: [{ question: 'x' } as { question: string; answer: string }] },
  ])('the options %j', async (options) => {
    const { weave } = await chatWeave();
    expect(() => weave.chat(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('a weave of another layout needs a word', async () => {
    const { weave } = await chatWeave({ layout: 'twice' });
    expect(() => weave.chat()).toThrow(/layout is 'sequence'/);
    expect((await weave.chat({ layout: 'sequence' }).ask(question)).text).not.toBe('');
  });

  test('questions and options of a turn', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat();
    await expect(chat.ask(' ')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    for (const options of [{ topK: -1 }, { maxTokens: 0 }, { reuse: 'half' as 'full' }]) {
      await expect(chat.ask(question, options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(chat.turns).toEqual([]);
  });

  test('a model whose template takes no earlier turns', async () => {
    const engine = new FakeEngine({
      chatTemplate:
        "{% if messages|length > 2 %}{{ raise_exception('one turn only') }}{% endif %}{% for m in messages %}{{ m['content'] }}{% endfor %}",
    });
    await using weave = await createWeave({ engine, maxTokens: 4 });
    await weave.ingest(documents, { budget: { milliseconds: 0 } });
    const chat = weave.chat();
    expect((await chat.ask(question)).text).not.toBe('');
    await expect(chat.ask(question)).rejects.toMatchObject({ code: 'CHAT_TEMPLATE' });
    expect((await chat.tokens()).length).toBeGreaterThan(0);
    expect(chat.turns).toHaveLength(1);
  });
});

describe('dispose', () => {
  test('ends what runs and refuses what comes', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat();
    await chat.ask(question);
    const running = expect(chat.ask(followUps[0]!, { maxTokens: 200 })).rejects.toBeInstanceOf(
      DisposedError,
    );
    const queued = expect(chat.ask(followUps[1]!)).rejects.toBeInstanceOf(DisposedError);
    await Promise.all([chat.dispose(), chat.dispose()]);
    await Promise.all([running, queued]);
    await expect(chat.ask(question)).rejects.toBeInstanceOf(DisposedError);
    await expect(chat.stream(question).answer).rejects.toBeInstanceOf(DisposedError);
    expect(() => chat.fork()).toThrow(DisposedError);
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
    expect((await weave.ask(question)).text).not.toBe('');
  });

  test('of the weave takes its chats along', async () => {
    const { weave } = await chatWeave();
    const chat = weave.chat();
    await chat.ask(question);
    const running = expect(chat.ask(followUps[0]!, { maxTokens: 200 })).rejects.toBeInstanceOf(
      DisposedError,
    );
    await weave.dispose();
    await running;
    await expect(chat.ask(question)).rejects.toBeInstanceOf(DisposedError);
    expect(() => weave.chat()).toThrow(DisposedError);
    await chat.dispose();
  });
});
