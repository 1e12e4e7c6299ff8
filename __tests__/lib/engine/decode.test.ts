import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { KvSequence } from '../../../lib/engine/arena.js';
import type { KvEngine } from '../../../lib/engine/engine.js';
import type { Sampler } from '../../../lib/engine/sampling.js';
import { decode, decodeAll, logProbability, topTokens } from '../../../lib/engine/decode.js';
import type { DecodeOptions, DecodeResult, DecodeStep } from '../../../lib/engine/decode.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const END = 1;

async function prompt(
  engine: KvEngine,
  options: { cells?: number; text?: string } = {},
): Promise<{ sequence: KvSequence; logits: Float32Array }> {
  const arena = await engine.createArena({ cells: options.cells ?? 512 });
  const sequence = arena.createSequence();
  const { ids } = await engine.tokenizer.encode(options.text ?? 'Question: what is a chunk?');
  const { logits } = await sequence.append(ids);
  return { sequence, logits: logits?.values as Float32Array };
}

/** An engine whose sampler picks these tokens, one after the other. */
function scripted(engine: FakeEngine, tokens: readonly number[]) {
  const log = { samplers: 0, disposed: 0 };
  const proxy: KvEngine = Object.create(engine, {
    createSampler: {
      value: async (): Promise<Sampler> => {
        log.samplers++;
        let at = 0;
        return {
          sample: async () => tokens[at++] ?? END,
          dispose: async () => {
            log.disposed++;
          },
          [Symbol.asyncDispose]: async () => {},
        };
      },
    },
    model: { value: engine.model },
    tokenizer: { value: engine.tokenizer },
  });
  return { engine: proxy, log };
}

async function collect(options: DecodeOptions) {
  const steps: DecodeStep[] = [];
  const stream = decode(options);
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return { steps, result: value as DecodeResult };
    steps.push(value as DecodeStep);
  }
}

test('greedy decoding is the arg-max of full prefills', async () => {
  const engine = new FakeEngine({ seed: 6 });
  const { sequence, logits } = await prompt(engine);
  const before = sequence.tokens;
  const { steps, result } = await collect({ engine, sequence, logits, maxTokens: 12 });
  expect(result.finishReason).toBe('length');
  expect(result.full).toBe(false);
  expect([...result.tokens]).toEqual(steps.map(({ token }) => token));
  expect(result.text).toBe(steps.map(({ text }) => text).join(''));
  expect(result.text).toBe(engine.tokenizer.decode(result.tokens));
  expect(sequence.length).toBe(before.length + 11);

  let tokens = [...before];
  for (const expected of result.tokens) {
    const fresh = sequence.arena.createSequence();
    const { logits } = await fresh.append(Int32Array.from(tokens));
    const values = logits?.values as Float32Array;
    expect(values.indexOf(Math.max(...values))).toBe(expected);
    tokens = [...tokens, expected];
    fresh.dispose();
  }
});

test('cells are reserved once for each token that is appended, and waited for', async () => {
  const engine = new FakeEngine({ seed: 6 });
  const { sequence, logits } = await prompt(engine);
  const { length } = sequence;
  let room = 4;
  let waited = 0;
  const reserve = (): Promise<void> | undefined => {
    // Never before the cell of the token before it is used.
    expect(length + 4 - room + waited).toBe(sequence.length);
    if (room-- > 0) return undefined;
    room++;
    waited++;
    return new Promise((resolve) => setTimeout(resolve, 1));
  };
  const plain = await prompt(engine);
  const expected = await decodeAll({ engine, ...plain, maxTokens: 12 });
  const result = await decodeAll({ engine, sequence, logits, maxTokens: 12, reserve });
  expect(result.text).toBe(expected.text);
  expect(waited).toBe(11 - 4);
});

test('a reservation that fails ends the answer', async () => {
  const fake = new FakeEngine();
  const { engine, log } = scripted(fake, [5, 6, 7]);
  const { sequence, logits } = await prompt(fake);
  const answer = decodeAll({
    engine,
    sequence,
    logits,
    maxTokens: 3,
    reserve: () => Promise.reject(new Error('no cells')),
  });
  await expect(answer).rejects.toThrow('no cells');
  expect(log).toEqual({ samplers: 1, disposed: 1 });
});

test('an end-of-generation token ends the turn and is no part of the answer', async () => {
  const fake = new FakeEngine();
  const { ids } = await fake.tokenizer.encode('hello wor');
  const { engine, log } = scripted(fake, [...ids, END]);
  const { sequence, logits } = await prompt(fake);
  const { length } = sequence;
  const { steps, result } = await collect({ engine, sequence, logits, maxTokens: 50 });
  expect(result).toMatchObject({ finishReason: 'stop', text: 'hello wor', full: false });
  expect([...result.tokens]).toEqual([...ids]);
  expect(steps.at(-1)?.token).toBe(END);
  expect(sequence.length).toBe(length + ids.length);
  expect(log).toEqual({ samplers: 1, disposed: 1 });
});

test('stop strings end the answer before them, across token borders', async () => {
  const fake = new FakeEngine();
  const { ids } = await fake.tokenizer.encode('some text\nQuestion: more');
  const { engine } = scripted(fake, [...ids]);
  const { sequence, logits } = await prompt(fake);
  const options = { engine, sequence, logits, maxTokens: 50, stop: ['\nQ', 'zzz'] };
  const { steps, result } = await collect(options);
  expect(result).toMatchObject({ finishReason: 'stop-string', stop: '\nQ', text: 'some text' });
  expect(steps.map(({ text }) => text).join('')).toBe('some text');
  expect(result.tokens.length).toBeLessThan(ids.length);
});

test('text that was held back for a stop string comes out when there is none', async () => {
  const fake = new FakeEngine();
  const { ids } = await fake.tokenizer.encode('abcST');
  const { sequence, logits } = await prompt(fake);
  for (const maxTokens of [ids.length, 50]) {
    const { engine } = scripted(fake, [...ids, END]);
    const { steps, result } = await collect({
      engine,
      sequence: sequence.fork(),
      logits,
      maxTokens,
      stop: ['STOP'],
    });
    expect(result.text).toBe('abcST');
    expect(steps.map(({ text }) => text).join('')).toBe('abcST');
  }
});

test('any text comes out whole, whatever tokens it is made of', async () => {
  const fake = new FakeEngine();
  const { sequence, logits } = await prompt(fake);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 5, max: fake.model.vocabSize - 1 }), {
        minLength: 1,
        maxLength: 12,
      }),
      async (tokens) => {
        const { engine } = scripted(fake, tokens);
        const fork = sequence.fork();
        const { steps, result } = await collect({ engine, sequence: fork, logits, maxTokens: 40 });
        fork.dispose();
        expect(result.text).toBe(fake.tokenizer.decode(tokens));
        const decoder = new TextEncoder();
        for (const { text } of steps) {
          expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode(decoder.encode(text))).toBe(
            text,
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a token is handed out before the next one is computed', async () => {
  const engine = new FakeEngine({ latency: { perLayer: 10 } });
  const { sequence, logits } = await prompt(engine);
  const { layers } = engine.counters;
  const stream = decode({ engine, sequence, logits, maxTokens: 5 });
  await stream.next();
  expect(engine.counters.layers).toBe(layers);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(engine.counters.layers).toBe(layers + 3);
  await stream.return(undefined as never);
});

test('a consumer that stops early leaves all usable', async () => {
  const fake = new FakeEngine({ latency: { perLayer: 3 } });
  const { engine, log } = scripted(fake, [70, 71, 72, 73]);
  const { sequence, logits } = await prompt(fake);
  const { length } = sequence;
  for await (const step of decode({ engine, sequence, logits, maxTokens: 20 })) {
    if (step.token === 71) break;
  }
  expect(log).toEqual({ samplers: 1, disposed: 1 });
  expect(sequence.length).toBe(length + 2);
  await sequence.append(Int32Array.of(80));
});

test('an abort ends the answer with the reason, and the sequence stays usable', async () => {
  const fake = new FakeEngine({ latency: { perLayer: 2 } });
  const { engine, log } = scripted(
    fake,
    Array.from({ length: 100 }, () => 70),
  );
  const { sequence, logits } = await prompt(fake);
  const controller = new AbortController();
  const reason = new Error('enough');
  const run = async (): Promise<number> => {
    let steps = 0;
    const options = { engine, sequence, logits, maxTokens: 90, signal: controller.signal };
    for await (const _ of decode(options)) if (++steps === 3) controller.abort(reason);
    return steps;
  };
  await expect(run()).rejects.toBe(reason);
  expect(log.disposed).toBe(1);
  await sequence.append(Int32Array.of(80));
  await expect(
    decodeAll({ engine, sequence, logits, maxTokens: 9, signal: controller.signal }),
  ).rejects.toBe(reason);
  expect(log.samplers).toBe(1);
});

test('a failing forward comes through once, unhandled nowhere', async () => {
  const fake = new FakeEngine();
  const { engine, log } = scripted(fake, [70, 71, 72]);
  const { sequence, logits } = await prompt(fake);
  const failure = new Error('device lost');
  const stream = decode({ engine, sequence, logits, maxTokens: 20 });
  fake.failNext(failure, 1);
  await stream.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await expect(stream.next()).rejects.toBe(failure);
  expect(log.disposed).toBe(1);
  expect((await stream.next()).done).toBe(true);
});

test('a full arena or context ends the answer with reason length', async () => {
  const fake = new FakeEngine();
  const { engine } = scripted(
    fake,
    Array.from({ length: 400 }, () => 70),
  );
  const { sequence, logits } = await prompt(fake, { cells: 256 });
  const room = 256 - sequence.length;
  const result = await decodeAll({ engine, sequence, logits, maxTokens: 400 });
  expect(result).toMatchObject({ finishReason: 'length', full: true });
  expect(result.tokens.length).toBe(room + 1);

  const short = new FakeEngine({ contextLength: 40 });
  const scriptedShort = scripted(
    short,
    Array.from({ length: 400 }, () => 70),
  ).engine;
  const second = await prompt(short);
  const { length } = second.sequence;
  const answer = await decodeAll({ engine: scriptedShort, ...second, maxTokens: 400 });
  expect(answer).toMatchObject({ finishReason: 'length', full: true });
  expect(answer.tokens.length).toBe(40 - length + 1);
});

test('log probabilities', async () => {
  const engine = new FakeEngine();
  const { sequence, logits } = await prompt(engine);
  const { steps } = await collect({ engine, sequence, logits, maxTokens: 3, logprobs: true });
  const [best] = topTokens(logits, 1);
  expect(steps[0]?.token).toBe(best?.token);
  expect(steps[0]?.logprob).toBeCloseTo(best?.logprob as number, 10);
  let total = 0;
  for (let token = 0; token < logits.length; token++)
    total += Math.exp(logProbability(logits, token));
  expect(total).toBeCloseTo(1, 6);
  const top = topTokens(logits, 5).map(({ logprob }) => logprob);
  expect(top).toEqual([...top].sort((a, b) => b - a));
});

test('only the last row of logits counts', async () => {
  const engine = new FakeEngine();
  const { sequence, logits } = await prompt(engine);
  const rows = new Float32Array(3 * logits.length).fill(0);
  rows.set(logits, 2 * logits.length);
  const one = await decodeAll({ engine, sequence: sequence.fork(), logits, maxTokens: 3 });
  const three = await decodeAll({ engine, sequence, logits: rows, maxTokens: 3 });
  expect(three.tokens).toEqual(one.tokens);
});

test('bad options are refused before anything is created', async () => {
  const fake = new FakeEngine();
  const { engine, log } = scripted(fake, []);
  const { sequence, logits } = await prompt(fake);
  for (const maxTokens of [0, -1, 1.5, NaN]) {
    await expect(decodeAll({ engine, sequence, logits, maxTokens })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  }
  const few = new Float32Array(3);
  await expect(decodeAll({ engine, sequence, logits: few, maxTokens: 3 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(
    decodeAll({ engine, sequence, logits, maxTokens: 3, stop: [''] }),
  ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(log.samplers).toBe(0);
  await expect(
    decodeAll({ engine: fake, sequence, logits, maxTokens: 3, sampling: { topP: 7 } }),
  ).rejects.toMatchObject({ code: 'SAMPLING' });
});
