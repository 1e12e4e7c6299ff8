import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openAiLanguageModel } from '../../../adapters/openai/index.js';
import { gradedReranker, RemoteError, SamplingError } from '../../../lib/index.js';
import { ChatServer, json, status } from '../../support/chat-server.js';

const server = new ChatServer();
let baseUrl: string;
beforeAll(async () => {
  baseUrl = await server.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const answer = (content: string, more: object = {}) =>
  json({
    choices: [
      { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', ...more },
    ],
    usage: { prompt_tokens: 12, completion_tokens: 4 },
  });

test('asks a chat API, and reads text, usage and alternatives of the first token', async () => {
  const top = [
    { token: 'Yes', logprob: -0.1 },
    { token: 'No', logprob: -2 },
  ];
  server.reply(
    answer('Yes.', {
      finish_reason: 'length',
      logprobs: { content: [{ token: 'Yes', top_logprobs: top }] },
    }),
  );
  const model = openAiLanguageModel({ baseUrl: `${baseUrl}/`, model: 'm' });
  expect(model.name).toBe('m');
  const request = {
    system: 'Be brief.',
    prompt: 'Wet?',
    maxTokens: 5,
    temperature: 0.3,
    topLogprobs: 2,
  };
  expect(await model.generate(request)).toEqual({
    text: 'Yes.',
    finishReason: 'length',
    usage: { promptTokens: 12, generatedTokens: 4 },
    firstToken: [
      { text: 'Yes', logprob: -0.1 },
      { text: 'No', logprob: -2 },
    ],
  });
  expect(server.seen[0]?.body).toEqual({
    model: 'm',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Wet?' },
    ],
    max_tokens: 5,
    temperature: 0.3,
    logprobs: true,
    top_logprobs: 2,
  });
});

test('grammars go where the server takes them, else the model is asked without or refused', async () => {
  server.reply(answer('7'));
  const grammar = 'root ::= "7"';
  const ask = (more: object) =>
    openAiLanguageModel({ baseUrl, model: 'm', ...more }).generate({ prompt: 'a', grammar });
  await ask({ server: { kind: 'llama.cpp' } });
  expect(server.seen.at(-1)?.body).toMatchObject({ grammar, cache_prompt: true });
  await ask({ server: { kind: 'vllm' } });
  expect(server.seen.at(-1)?.body).toMatchObject({ structured_outputs: { grammar } });
  await ask({});
  expect(JSON.stringify(server.seen.at(-1)?.body)).not.toContain('root');
  await expect(ask({ grammars: 'refuse' })).rejects.toThrow(SamplingError);
});

test('judges may ask it', async () => {
  server.reply((response, request) => {
    const [{ content }] = request.body['messages'] as [{ content: string }];
    return answer(content.includes('otters swim') ? '9' : '1')(response, request);
  });
  const reranker = gradedReranker({ model: openAiLanguageModel({ baseUrl, model: 'm' }) });
  const candidates = ['pandas climb', 'otters swim'].map((text, i) => ({
    chunk: {
      id: `${i}`,
      documentId: `${i}`,
      start: 0,
      end: text.length,
      text,
      tokens: new Int32Array(2),
      tokenStart: 0,
    },
    score: 1,
  }));
  const ranked = await reranker.rerank({ question: 'Who swims?', candidates });
  expect(ranked.map(({ chunk }) => chunk.text)).toEqual(['otters swim', 'pandas climb']);
});

test('answers that are none', async () => {
  const model = openAiLanguageModel({ baseUrl, model: 'm', retries: 0 });
  for (const [reply, reason] of [
    [status(200, 'hello'), 'malformed'],
    [json({ choices: [] }), 'malformed'],
    [json({}), 'malformed'],
    [json({ error: { message: 'no memory' } }), 'failed'],
    [status(200, '{"choices":[{"mess'), 'malformed'],
    [status(503, 'later'), 'failed'],
  ] as const) {
    server.reply(reply);
    const error = await model.generate({ prompt: 'a' }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ reason });
  }
});
