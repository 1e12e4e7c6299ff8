import { expect, test } from '@jest/globals';
import { engineLanguageModel } from '../../../lib/engine-language-model.js';
import { FakeEngine } from '../../../lib/testing/index.js';

test('generates from the chat format, and says what it used', async () => {
  const engine = new FakeEngine({ name: 'tiny' });
  const model = engineLanguageModel(engine);
  expect(model.name).toBe('tiny');
  const request = { system: 'Be brief.', prompt: 'What is a cache?', maxTokens: 9, topLogprobs: 4 };
  const answer = await model.generate(request);
  const { head, tail } = await engine.chat.frame({ system: request.system });
  const { ids } = await engine.tokenizer.encode(request.prompt);
  expect(answer.usage.promptTokens).toBe(head.length + ids.length + tail.length);
  expect(answer.usage.generatedTokens).toBeLessThanOrEqual(9);
  expect(answer.firstToken).toHaveLength(4);
  const [first, second] = answer.firstToken ?? [];
  expect(first?.logprob).toBeGreaterThan(second?.logprob as number);
  expect(await model.generate(request)).toEqual(answer);
  expect((await model.generate({ prompt: 'x', maxTokens: 2 })).firstToken).toBeUndefined();
});

test('sampling, grammar and stop strings', async () => {
  const model = engineLanguageModel(new FakeEngine());
  const prompt = 'Is water wet?';
  const { text, finishReason } = await model.generate({
    prompt,
    grammar: 'root ::= "yes" | "no" | "perhaps"',
  });
  expect(['yes', 'no', 'perhaps']).toContain(text);
  expect(finishReason).toBe('stop');
  const draw = (seed: number) => model.generate({ prompt, temperature: 1.5, seed, maxTokens: 12 });
  expect(await draw(1)).toEqual(await draw(1));
  expect((await draw(1)).text).not.toBe((await draw(2)).text);
  const { text: whole } = await draw(1);
  const stop = whole.slice(2, 4);
  const cut = await model.generate({
    prompt,
    temperature: 1.5,
    seed: 1,
    maxTokens: 12,
    stop: [stop],
  });
  expect(cut).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finishReason: 'stop' });
});

test('everything is given back, also after a failure', async () => {
  const engine = new FakeEngine({ maxCells: 512, contextLength: 400, latency: { perLayer: 1 } });
  const model = engineLanguageModel(engine);
  const reason = new Error('stop');
  for (let i = 0; i < 3; i++) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(
      model.generate({
        prompt: 'x'.repeat(40),
        signal: controller.signal,
        grammar: `root ::= "${'y'.repeat(200)}"`,
      }),
    ).rejects.toBe(reason);
  }
  await expect(model.generate({ prompt: 'x'.repeat(500) })).rejects.toMatchObject({
    code: 'CONTEXT_OVERFLOW',
  });
  await expect(model.generate({ prompt: 'x', maxTokens: 0 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(model.generate({ prompt: 'x', topLogprobs: -1 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(model.generate({ prompt: 'x', temperature: -1 })).rejects.toMatchObject({
    code: 'SAMPLING',
  });
  await Promise.all([1, 2].map(() => model.generate({ prompt: 'y', maxTokens: 3 })));
});

test('an answer is cut where the context ends', async () => {
  const model = engineLanguageModel(new FakeEngine({ contextLength: 30 }));
  const answer = await model.generate({
    prompt: 'abcde',
    maxTokens: 200,
    grammar: `root ::= "${'z'.repeat(100)}"`,
  });
  expect(answer.finishReason).toBe('length');
  expect(answer.usage.promptTokens + answer.usage.generatedTokens).toBe(31);
});
