import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { keepAnswers } from '../../../bench/chunking/kept-answers.js';
import type { GenerateRequest, LanguageModel } from '../../../lib/index.js';

class Echo implements LanguageModel {
  readonly name = 'echo';
  readonly seen: GenerateRequest[] = [];

  async generate(request: GenerateRequest) {
    this.seen.push(request);
    if (request.prompt === 'fail') throw new Error('no answer');
    return {
      text: `${request.prompt}!`,
      finishReason: 'stop' as const,
      usage: { promptTokens: request.prompt.length, generatedTokens: 2 },
      firstToken: [{ text: '1', logprob: -0.1 }],
    };
  }
}

test('a question is asked once over all runs and counted each time, also after one that broke off', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    const path = join(folder, 'deep', 'answers.jsonl');
    const inner = new Echo();
    const first = keepAnswers(inner, 'file a', path);
    const answer = await first.generate({ prompt: 'one', maxTokens: 4 });
    expect(await first.generate({ maxTokens: 4, prompt: 'one' })).toEqual(answer);
    expect(inner.seen).toHaveLength(1);
    expect(first.asked).toMatchObject({ calls: 2, promptTokens: 6, generatedTokens: 4 });
    await expect(first.generate({ prompt: 'fail' })).rejects.toThrow('no answer');
    expect(first.asked.calls).toBe(2);
    // A run that broke off in the middle of a line.
    const whole = await readFile(path, 'utf8');
    await appendFile(path, whole.slice(0, 40));

    const second = keepAnswers(inner, 'file a', path);
    expect(await second.generate({ prompt: 'one', maxTokens: 4 })).toEqual(answer);
    await second.generate({ prompt: 'two', maxTokens: 4 });
    const third = keepAnswers(inner, 'file a', path);
    await third.generate({ prompt: 'two', maxTokens: 4 });
    await third.generate({ prompt: 'fail' }).catch(() => {});
    expect(inner.seen.map(({ prompt }) => prompt)).toEqual(['one', 'fail', 'two', 'fail']);

    // Another setting, or another model, has another answer.
    await third.generate({ prompt: 'two', maxTokens: 5 });
    await keepAnswers(inner, 'file b', path).generate({ prompt: 'two', maxTokens: 4 });
    expect(inner.seen).toHaveLength(6);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a signal reaches the model and is no part of the question', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-test-'));
  try {
    const inner = new Echo();
    const kept = keepAnswers(inner, 'a', join(folder, 'answers.jsonl'));
    const { signal } = new AbortController();
    await kept.generate({ prompt: 'one', signal });
    await kept.generate({ prompt: 'one' });
    expect(inner.seen).toEqual([{ prompt: 'one', signal }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
