import { topTokens } from './engine/decode.js';
import type { KvEngine } from './engine/engine.js';
import { generateChat } from './engine/generate-chat.js';
import type { SamplingOptions } from './engine/sampling.js';
import { InvalidArgumentError } from './errors.js';
import type { GenerateRequest, GenerateResult, LanguageModel } from './language-model.js';

/**
 * A {@link LanguageModel} over an engine: chat format, prefill, decode. Each request has an arena of its
 * own, as large as it needs, so requests may overlap and nothing is kept between them.
 */
export function engineLanguageModel(engine: KvEngine): LanguageModel {
  return { name: engine.model.name, generate: (request) => generate(engine, request) };
}

async function generate(engine: KvEngine, request: GenerateRequest): Promise<GenerateResult> {
  const { system, prompt, maxTokens = 256, stop, topLogprobs = 0, signal } = request;
  if (!Number.isInteger(topLogprobs) || topLogprobs < 0) {
    throw new InvalidArgumentError(`topLogprobs must be a whole number, not ${topLogprobs}.`);
  }
  const steps = generateChat(engine, {
    ...(system !== undefined && { system }),
    prompt,
    maxTokens,
    sampling: samplingOf(request),
    ...(stop && { stop }),
    ...(signal && { signal }),
  });
  const { tokenizer } = engine;
  let step = await steps.next();
  while (!step.done) step = await steps.next();
  const result = step.value;
  return {
    text: result.text,
    finishReason: result.finishReason === 'length' ? 'length' : 'stop',
    usage: { promptTokens: result.promptTokens, generatedTokens: result.generatedTokens },
    ...(topLogprobs > 0 && {
      firstToken: topTokens(result.firstLogits, topLogprobs).map(({ token, logprob }) => ({
        text: tokenizer.isSpecial(token) ? tokenizer.name(token) : tokenizer.decode([token]),
        logprob,
      })),
    }),
  };
}

function samplingOf({ temperature, seed, grammar }: GenerateRequest): SamplingOptions {
  return {
    ...(temperature !== undefined && { temperature }),
    ...(seed !== undefined && { seed }),
    ...(grammar !== undefined && { grammar }),
  };
}
