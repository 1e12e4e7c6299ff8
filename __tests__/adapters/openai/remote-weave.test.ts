import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRemoteWeave, type RemoteWeaveOptions } from '../../../adapters/openai/index.js';
import {
  bm25Retriever,
  chunkDocument,
  InvalidArgumentError,
  layoutTokens,
  recursiveChunker,
  RemoteError,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { ChatServer, eventBytes, events, status, type Reply } from '../../support/chat-server.js';

const engine = new FakeEngine();
const retriever = bm25Retriever();
const server = new ChatServer();
let baseUrl: string;
beforeAll(async () => {
  baseUrl = await server.start();
  for (const [id, text] of [
    ['otters', 'Otters eat fish.'],
    ['pandas', 'Pandas eat bamboo.'],
    ['rivers', 'Rivers are where otters live.'],
  ]) {
    const document = { id: id as string, text: text as string };
    await retriever.add(
      await chunkDocument(document, { tokenizer: engine.tokenizer, chunker: recursiveChunker() }),
    );
  }
});
afterAll(() => server[Symbol.asyncDispose]());

const weave = (more: Partial<RemoteWeaveOptions> = {}) =>
  createRemoteWeave({ baseUrl, model: 'm', retriever, retries: 0, ...more });
const usage = (prompt: number, cached: number) => ({
  prompt_tokens: prompt,
  completion_tokens: 3,
  prompt_tokens_details: { cached_tokens: cached },
});
const caught = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test('the wire format: messages, streaming, token, and the fields of the server', async () => {
  server.reply(events(['Otters ', 'eat fish.'], { usage: usage(40, 16) }));
  const asked = weave({
    apiKey: 'secret',
    headers: { 'x-team': 'a' },
    server: { kind: 'llama.cpp', slot: 1 },
    system: 'Be brief.',
  });
  const pieces: string[] = [];
  const stream = asked.stream('What do otters eat?', {
    maxTokens: 9,
    seed: 2,
    stop: ['\n'],
    grammar: 'root ::= "a"',
  });
  let step = await stream.next();
  while (!step.done) {
    pieces.push(step.value);
    step = await stream.next();
  }
  expect(pieces).toEqual(['Otters ', 'eat fish.']);
  expect(step.value).toMatchObject({
    text: 'Otters eat fish.',
    finishReason: 'stop',
    usage: { prompt: 40, cached: 16, generated: 3 },
    shared: 0,
  });
  const [seen] = server.seen;
  expect(seen?.path).toBe('/v1/chat/completions');
  expect(seen?.headers).toMatchObject({
    authorization: 'Bearer secret',
    'x-team': 'a',
    'content-type': 'application/json',
  });
  const { messages, ...rest } = seen?.body ?? {};
  expect(rest).toEqual({
    model: 'm',
    max_tokens: 9,
    temperature: 0,
    seed: 2,
    stop: ['\n'],
    grammar: 'root ::= "a"',
    cache_prompt: true,
    id_slot: 1,
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(messages).toMatchObject([
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: expect.stringMatching(/Otters eat fish\.[^]*Question: What do otters eat\?$/),
    },
  ]);
});

test('later prompts begin as earlier ones did, and the report says what the server reused', async () => {
  server.reply(events(['a'], { usage: usage(100, 0) }), events(['b'], { usage: usage(100, 75) }));
  const asked = weave({ prices: { prompt: 1, cached: 0.1, generated: 2 } });
  const first = await asked.ask('otters rivers');
  const second = await asked.ask('pandas, otters, rivers live');
  const idsOf = ({ sources }: typeof first) => sources.map(({ chunk }) => chunk.documentId);
  expect(second.shared).toBe(first.sources.length);
  expect(idsOf(second).slice(0, second.shared)).toEqual(idsOf(first));
  const [one, two] = server.seen.map(
    ({ body }) => (body['messages'] as { content: string }[])[0]?.content ?? '',
  );
  const common = (one as string).slice(0, (one as string).indexOf('Question:'));
  expect(common).toContain('Otters eat fish.');
  expect((two as string).startsWith(common)).toBe(true);
  const report = asked.report();
  expect(report).toMatchObject({ requests: 2, hitRate: 75 / 200, cachedTokens: 75 });
  expect(report.cost).toBeCloseTo((125 + 7.5 + 12) / 1e6, 12);
});

test('prompts go as token ids where the engine is there, with separators for blending', async () => {
  server.reply(async (response) => {
    response.writeHead(200);
    response.end(
      `data: {"choices":[{"text":"fish","finish_reason":null}]}\n\ndata: {"choices":[{"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n`,
    );
  });
  const kind = { kind: 'lmcache-blend', salt: 'tenant' } as const;
  const answer = await weave({ server: kind, engine }).ask('otters');
  expect(answer).toMatchObject({ text: 'fish', finishReason: 'length' });
  expect(answer.usage).toBeUndefined();
  const [seen] = server.seen;
  expect(seen?.path).toBe('/v1/completions');
  expect(seen?.body['cache_salt']).toBe('tenant');
  const found = await retriever.search('otters', { k: 8 });
  const passages = found.map(({ chunk }) => chunk);
  const { tokens } = await layoutTokens({ server: kind, passages, question: 'otters' }, engine);
  expect(seen?.body['prompt']).toEqual([...tokens]);
  await expect(weave({ server: kind }).ask('otters')).rejects.toThrow(/layoutTokens/);
  await expect(weave({ engine }).ask('otters')).rejects.toThrow(/no prompts as token ids/);
});

test('however the bytes are cut, the text is the same', async () => {
  for (const cut of [1, 2, 3, 7, 64]) {
    server.reply(events(['Ärger ', '日本 ', '😀'], { cut }));
    expect((await weave().ask('otters')).text).toBe('Ärger 日本 😀');
  }
});

test('a stream cut anywhere before its reason to end is an error; after it, the answer is whole', async () => {
  const bytes = eventBytes(['one', 'two']);
  const reason = bytes.indexOf('"finish_reason":"stop"');
  const afterReason = bytes.indexOf('\n\n', reason) + 2;
  for (let end = 0; end < bytes.length; end += 17) {
    server.reply((response) => {
      response.writeHead(200);
      response.end(bytes.subarray(0, end));
    });
    const result = await weave()
      .ask('otters')
      .catch((error: unknown) => error);
    if (end >= afterReason) expect(result).toMatchObject({ text: 'onetwo' });
    else expect(result).toMatchObject({ code: 'REMOTE', reason: 'truncated' });
  }
  server.reply((response) => {
    response.writeHead(200);
    response.write(bytes.subarray(0, 200), () => response.destroy());
  });
  expect(await caught(weave().ask('otters'))).toMatchObject({ reason: 'truncated' });
});

test('malformed streams, and failures reported inside one', async () => {
  const bodies: [string, string, RegExp][] = [
    ['data: {"choices"\n\n', 'malformed', /no answer of an OpenAI/],
    ['data: [1]\n\n', 'malformed', /\[1\]/],
    ['data: 7\n\n', 'malformed', /7/],
    ['<html>\n<p>welcome</p>\n', 'malformed', /html/],
    ['data: {"error":{"message":"out of memory"}}\n\n', 'failed', /out of memory/],
    ['data: [DONE]\n\n', 'truncated', /without a reason/],
    ['', 'truncated', /before the answer/],
  ];
  for (const [body, reason, message] of bodies) {
    server.reply(status(200, body));
    const error = await caught(weave().ask('otters'));
    expect([body, error]).toEqual([body, expect.any(RemoteError)]);
    expect(error).toMatchObject({ reason, message: expect.stringMatching(message) });
  }
});

test('refused, busy and failed requests: what is tried again, how often, and when', async () => {
  for (const [code, reason] of [
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
  ] as const) {
    server.reply(status(code, '{"error":"bad key"}'));
    const error = await caught(weave({ retries: 3 }).ask('otters'));
    expect(error).toMatchObject({
      reason,
      status: code,
      message: expect.stringContaining('bad key'),
    });
    expect(server.seen).toHaveLength(1);
  }
  for (const code of [408, 500, 502, 503]) {
    server.reply(status(code, '', { 'retry-after': '0' }), events(['ok']));
    expect((await weave({ retries: 1 }).ask('otters')).text).toBe('ok');
    expect(server.seen).toHaveLength(2);
  }
  server.reply(status(429, 'slow down', { 'retry-after': '0' }));
  const busy = await caught(weave({ retries: 2 }).ask('otters'));
  expect(busy).toMatchObject({ reason: 'busy', status: 429, retryAfterMs: 0 });
  expect(server.seen).toHaveLength(3);
  // A wait that is too long is not begun; a date is read as well.
  server.reply(status(429, '', { 'retry-after': '3600' }));
  expect(await caught(weave({ retries: 2 }).ask('otters'))).toMatchObject({
    retryAfterMs: 3_600_000,
  });
  expect(server.seen).toHaveLength(1);
  const date = new Date(Date.now() + 7_200_000).toUTCString();
  server.reply(status(503, '', { 'retry-after': date }));
  const { retryAfterMs } = (await caught(weave({ retries: 2 }).ask('otters'))) as RemoteError;
  expect(retryAfterMs).toBeGreaterThan(7_000_000);
  expect(server.seen).toHaveLength(1);
  server.reply(status(500, 'x'.repeat(100_000)));
  const long = (await caught(weave().ask('otters'))) as Error;
  expect(long.message.length).toBeLessThan(500);
});

test('the wait that the server asks for is kept', async () => {
  const times: number[] = [];
  const stamp =
    (reply: Reply): Reply =>
    (...args) => {
      times.push(performance.now());
      return reply(...args);
    };
  server.reply(stamp(status(429, '', { 'retry-after': '0.2' })), stamp(events(['ok'])));
  await weave({ retries: 1 }).ask('otters');
  expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(190);
});

const silence: Reply = () => {};
const stall: Reply = (response) => {
  response.writeHead(200);
  response.write(eventBytes(['one']).subarray(0, 180));
};

test('a server that is silent, stalls or is not there: an error in time, and no connection left', async () => {
  server.reply(silence);
  const late = await caught(weave({ timeoutMs: 60 }).ask('otters'));
  expect(late).toMatchObject({ reason: 'late', message: expect.stringContaining('60 ms') });
  server.reply(stall);
  expect(await caught(weave({ idleMs: 60 }).ask('otters'))).toMatchObject({ reason: 'late' });
  server.reply((response) => response.destroy(), events(['ok']));
  expect((await weave({ retries: 1 }).ask('otters')).text).toBe('ok');
  const gone = new ChatServer();
  const address = await gone.start();
  await gone[Symbol.asyncDispose]();
  expect(await caught(weave({ baseUrl: address }).ask('otters'))).toMatchObject({
    reason: 'unreachable',
  });
  await server.idle();
});

test('an abort at each stage rejects with its reason, and ends the request', async () => {
  const reason = new Error('enough');
  const during = async (reply: Reply, more: Partial<RemoteWeaveOptions> = {}) => {
    const abort = new AbortController();
    server.reply((response, request) => {
      setTimeout(() => abort.abort(reason), 5);
      return reply(response, request);
    });
    const error = await caught(weave(more).ask('otters', { signal: abort.signal }));
    await server.idle();
    return error;
  };
  server.reply(silence);
  expect(await caught(weave().ask('otters', { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(server.seen).toHaveLength(0);
  expect(await during(silence)).toBe(reason);
  expect(await during(stall)).toBe(reason);
  // While it waits before another attempt.
  expect(await during(status(429, '', { 'retry-after': '20' }), { retries: 1 })).toBe(reason);
  expect(await during((response) => void response.writeHead(500).write('slow complaint'))).toBe(
    reason,
  );
});

test('a consumer that leaves ends the request, and nothing stays on the signal of many requests', async () => {
  const abort = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = abort.signal;
  abort.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(abort.signal, args);
  };
  abort.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(abort.signal, args);
  };
  for (let i = 0; i < 20; i++) {
    server.reply(stall);
    for await (const piece of weave().stream('otters', { signal: abort.signal })) {
      expect(piece).toBe('one');
      break;
    }
  }
  await server.idle();
  expect(listeners).toBe(0);
});

test('bad options are refused before anything is sent', async () => {
  for (const more of [
    { baseUrl: 'localhost:8000' },
    { baseUrl: 'ftp://x' },
    { model: '' },
    { timeoutMs: 0 },
    { idleMs: NaN },
    { retries: -1 },
    { topK: 0 },
    { prices: { prompt: NaN, generated: 1 } },
  ] as Partial<RemoteWeaveOptions>[]) {
    expect(() => weave(more)).toThrow(InvalidArgumentError);
  }
  server.reply(silence);
  await expect(weave().ask(' ')).rejects.toThrow(InvalidArgumentError);
  await expect(weave().ask('otters', { maxTokens: 0 })).rejects.toThrow(/maxTokens/);
  await expect(
    weave({ server: { kind: 'sglang' } }).ask('otters', { grammar: 'root ::= "a"' }),
  ).rejects.toThrow(/grammar/);
  expect(server.seen).toHaveLength(0);
});
