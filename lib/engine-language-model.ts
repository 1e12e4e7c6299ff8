import { decodeAll, topTokens } from './engine/decode.js';
import type { KvEngine } from './engine/engine.js';
import type { SamplingOptions } from './engine/sampling.js';
import { ContextOverflowError, InvalidArgumentError } from './errors.js';
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
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InvalidArgumentError(`maxTokens must be at least 1, not ${maxTokens}.`);
  }
  const { tokenizer, model } = engine;
  const frame = await engine.chat.frame(system === undefined ? {} : { system });
  const { ids } = await tokenizer.encode(prompt, signal ? { signal } : {});
  const tokens = new Int32Array(frame.head.length + ids.length + frame.tail.length);
  tokens.set(frame.head);
  tokens.set(ids, frame.head.length);
  tokens.set(frame.tail, frame.head.length + ids.length);
  if (tokens.length > model.contextLength) {
    throw new ContextOverflowError(
      tokens.length,
      model.contextLength,
      'Use a shorter prompt or a model with a longer context.',
    );
  }
  const cells = Math.min(tokens.length + maxTokens, model.contextLength);
  await using arena = await engine.createArena({ cells });
  using sequence = arena.createSequence();
  const { logits } = await sequence.append(tokens, signal ? { signal } : {});
  const row = logits?.values ?? new Float32Array();
  const result = await decodeAll({
    engine,
    sequence,
    logits: row,
    maxTokens,
    sampling: samplingOf(request),
    ...(stop && { stop }),
    ...(signal && { signal }),
  });
  return {
    text: result.text,
    finishReason: result.finishReason === 'length' ? 'length' : 'stop',
    usage: { promptTokens: tokens.length, generatedTokens: result.tokens.length },
    ...(topLogprobs > 0 && {
      firstToken: topTokens(row, topLogprobs).map(({ token, logprob }) => ({
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
