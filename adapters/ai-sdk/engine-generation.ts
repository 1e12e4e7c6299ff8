import type { KvEngine } from '../../lib/engine/engine.js';
import { generateChat } from '../../lib/engine/generate-chat.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { Generation } from './generation.js';
import { weaveOptions } from './provider-options.js';
import type { ModelRequest } from './request.js';

/** Tokens of an answer where the call does not say. */
const defaultTokens = 512;

/** @throws InvalidArgumentError for options that only a weave has. */
export function assertForEngine({ options }: ModelRequest): void {
  const wrong = weaveOptions.find((name) => options[name] !== undefined);
  if (wrong === undefined) return;
  throw new InvalidArgumentError(
    `providerOptions.chunkweave.${wrong} is for models that weave; this one is an engine without passages.`,
  );
}

/** An answer by the engine alone: the whole conversation is prefilled, nothing of it is cached. */
export async function* engineGeneration(
  engine: KvEngine,
  request: ModelRequest,
  signal: AbortSignal,
): Generation {
  const { conversation, instructions, stop, sampling, maxTokens = defaultTokens } = request;
  const system = [conversation.system, ...instructions].filter(Boolean).join('\n\n');
  const texts = generateChat(engine, {
    ...(system !== '' && { system }),
    history: conversation.history,
    prompt: conversation.prompt,
    maxTokens,
    sampling,
    ...(stop && { stop }),
    signal,
  });
  try {
    for (;;) {
      const { done, value } = await texts.next();
      if (!done) {
        yield { type: 'delta', text: value };
        continue;
      }
      const { finishReason, promptTokens, generatedTokens } = value;
      yield {
        type: 'end',
        finishReason: { unified: finishReason === 'length' ? 'length' : 'stop', raw: finishReason },
        usage: {
          inputTokens: {
            total: promptTokens,
            noCache: promptTokens,
            cacheRead: 0,
            cacheWrite: undefined,
          },
          outputTokens: { total: generatedTokens, text: generatedTokens, reasoning: undefined },
        },
        metadata: {},
        notes: engine.chat.notes,
      };
      return;
    }
  } finally {
    await texts.return(undefined as never);
  }
}
