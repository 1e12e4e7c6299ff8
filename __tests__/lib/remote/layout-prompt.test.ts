import { expect, test } from '@jest/globals';
import {
  CacheLedger,
  cacheFields,
  InvalidArgumentError,
  layoutMessages,
  layoutTokens,
  PrefixHistory,
  readUsage,
  type RemotePromptOptions,
} from '../../../lib/index.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const passages = [
  { id: 'c', text: 'Pandas eat bamboo.' },
  { id: 'a', text: 'Otters eat fish.' },
  { id: 'b', text: 'Rivers are long.' },
];
const ask = (more: Partial<RemotePromptOptions> = {}): RemotePromptOptions => ({
  server: { kind: 'vllm' },
  passages,
  question: 'What do otters eat?',
  system: 'Be brief.',
  ...more,
});

test('messages: what is common comes first, in one order, the question last', () => {
  const { messages, order } = layoutMessages(ask());
  expect(order).toEqual([1, 2, 0]);
  expect(messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content:
        'Answer the question from these passages.\n\nOtters eat fish.\n\nRivers are long.\n\nPandas eat bamboo.\n\nQuestion: What do otters eat?',
    },
  ]);
  expect(layoutMessages(ask({ passages: passages.toReversed() })).messages).toEqual(messages);
  const history = new PrefixHistory();
  history.record(['b', 'c']);
  const after = layoutMessages(ask({ history }));
  expect(after.order).toEqual([2, 0, 1]);
  expect(after.shared).toBe(2);
});

test('explicit breakpoints: only where enough stands before them, never more than allowed', () => {
  const long = passages.map(({ id }) => ({ id, text: id.repeat(4000) }));
  const history = new PrefixHistory();
  history.record(['b', 'x']);
  const marked = (more: object, of = long) => {
    const server = { kind: 'hosted', breakpoints: 'explicit', ...more } as const;
    const { content } = layoutMessages(ask({ server, passages: of, history })).messages[1] ?? {};
    return (content as readonly { cache_control?: unknown }[]).map(
      (part) => part.cache_control !== undefined,
    );
  };
  // Instructions, b (known), a, c, question.
  expect(marked({ minTokens: 1000 })).toEqual([false, true, false, true, false]);
  expect(marked({ minTokens: 1000, maxBreakpoints: 1 })).toEqual([
    false,
    false,
    false,
    true,
    false,
  ]);
  expect(marked({ minTokens: 1 })).toEqual([true, true, false, true, false]);
  expect(marked({}, passages)).toEqual([false, false, false, false, false]);
});

test('token ids: a passage has the same tokens in every prompt, between separators', async () => {
  const engine = new FakeEngine();
  const server = { kind: 'lmcache-blend' } as const;
  const { tokens, order } = await layoutTokens(ask({ server }), engine);
  // The best passage next to the question.
  expect(order).toEqual([2, 1, 0]);
  const idsOf = async (text: string) => [...(await engine.tokenizer.encode(text)).ids];
  const separator = await idsOf(' # # ');
  const { head, tail } = await engine.chat.frame({ system: 'Be brief.' });
  const expected = [
    ...head,
    ...(await idsOf('Answer the question from these passages.')),
    ...separator,
    ...(await idsOf('Rivers are long.')),
    ...separator,
    ...(await idsOf('Otters eat fish.')),
    ...separator,
    ...(await idsOf('Pandas eat bamboo.')),
    ...separator,
    ...(await idsOf('Question: What do otters eat?')),
    ...tail,
  ];
  expect([...tokens]).toEqual(expected);
  const holds = ask({ server, passages: [{ id: 'x', text: 'a # # b' }] });
  await expect(layoutTokens(holds, engine)).rejects.toThrow(/"x" holds the separator/);
  await expect(layoutTokens(ask(), engine, { signal: AbortSignal.abort() })).rejects.toThrow(
    /abort/i,
  );
  expect(() => layoutMessages(ask({ server }))).toThrow(/layoutTokens/);
});

test('refuses what cannot be laid out', () => {
  expect(() => layoutMessages(ask({ question: ' ' }))).toThrow(InvalidArgumentError);
  expect(() => layoutMessages(ask({ passages: [...passages, passages[0]] as never }))).toThrow(
    /same id/,
  );
  expect(() => cacheFields({ kind: 'tgi' } as never)).toThrow(/no server of the kind "tgi"/);
  expect(() => cacheFields({ kind: 'llama.cpp', slot: -1 })).toThrow(/slot/);
});

test('fields that make a server use its cache', () => {
  expect(cacheFields({ kind: 'llama.cpp', slot: 2, cacheReuse: 256 })).toEqual({
    cache_prompt: true,
    id_slot: 2,
    n_cache_reuse: 256,
  });
  expect(cacheFields({ kind: 'vllm', salt: 'tenant' })).toEqual({ cache_salt: 'tenant' });
  expect(cacheFields({ kind: 'hosted', cacheKey: 'k' })).toEqual({ prompt_cache_key: 'k' });
  expect(cacheFields({ kind: 'sglang' })).toEqual({});
});

test('usage of several servers', () => {
  const read: [unknown, unknown][] = [
    [
      {
        usage: {
          prompt_tokens: 100,
          completion_tokens: 7,
          prompt_tokens_details: { cached_tokens: 64 },
        },
      },
      { prompt: 100, cached: 64, generated: 7 },
    ],
    [{ usage: { prompt_tokens: 100, completion_tokens: 7 } }, { prompt: 100, generated: 7 }],
    [
      { usage: { prompt_tokens: 100, completion_tokens: 7, prompt_cache_hit_tokens: 50 } },
      { prompt: 100, cached: 50, generated: 7 },
    ],
    [
      {
        usage: { prompt_tokens: 9, completion_tokens: 1 },
        timings: { cache_n: 6, prompt_n: 3, predicted_n: 1 },
      },
      { prompt: 9, cached: 6, generated: 1 },
    ],
    [
      { timings: { prompt_n: 3, cache_n: 6, predicted_n: 2 } },
      { prompt: 9, cached: 6, generated: 2 },
    ],
    [
      { tokens_evaluated: 10, tokens_cached: 12, tokens_predicted: 3 },
      { prompt: 10, cached: 10, generated: 3 },
    ],
    [
      {
        usage: {
          prompt_tokens: 9,
          completion_tokens: 1,
          prompt_tokens_details: { cached_tokens: 3, cache_write_tokens: 4 },
        },
      },
      { prompt: 9, cached: 3, written: 4, generated: 1 },
    ],
    [{ usage: { prompt_tokens: 'many' } }, undefined],
    [{ usage: null }, undefined],
    [undefined, undefined],
  ];
  for (const [body, usage] of read) expect([body, readUsage(body)]).toEqual([body, usage]);
});

test('hit rate and money', () => {
  const ledger = new CacheLedger({ prompt: 2, cached: 0.5, written: 2.5, generated: 8 });
  expect(ledger.report().hitRate).toBeUndefined();
  ledger.add({ prompt: 1_000_000, cached: 500_000, written: 100_000, generated: 250_000 });
  ledger.add({ prompt: 1_000_000, generated: 0 });
  const report = ledger.report();
  expect(report).toMatchObject({ requests: 2, reported: 1, hitRate: 0.5, promptTokens: 2_000_000 });
  expect(report.cost).toBeCloseTo(1.4 * 2 + 0.5 * 0.5 + 0.1 * 2.5 + 0.25 * 8, 10);
  expect(report.uncachedCost).toBeCloseTo(2 * 2 + 0.25 * 8, 10);
  expect(new CacheLedger().report().cost).toBeUndefined();
  expect(() => new CacheLedger({ prompt: -1, generated: 1 })).toThrow(InvalidArgumentError);
});
