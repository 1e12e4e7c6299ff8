import { ContextOverflowError, InvalidArgumentError } from '../errors.js';
import type { ChatTurn } from './chat.js';
import { decode } from './decode.js';
import type { KvEngine } from './engine.js';
import type { SamplingOptions } from './sampling.js';

export interface GenerateChatOptions {
  readonly system?: string;
  /** Earlier turns, oldest first. */
  readonly history?: readonly ChatTurn[];
  /** The user's text. */
  readonly prompt: string;
  /** At least 1; fewer where the context ends. */
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  readonly sampling?: SamplingOptions;
  readonly signal?: AbortSignal;
}

export interface GeneratedChat {
  readonly text: string;
  readonly finishReason: 'stop' | 'length' | 'stop-string';
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Logits that the first token was chosen from, `[vocabSize]`. */
  readonly firstLogits: Float32Array;
}

/**
 * An answer to a conversation, piece by piece: chat format, prefill of the whole prompt, decode. It has an arena of its own,
 * as large as it needs, given back when the answer ends or the consumer leaves.
 *
 * @throws InvalidArgumentError, ContextOverflowError, what the engine throws, or the signal's reason.
 */
export async function* generateChat(
  engine: KvEngine,
  options: GenerateChatOptions,
): AsyncGenerator<string, GeneratedChat, undefined> {
  const { system, history, prompt, maxTokens, stop, sampling, signal } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InvalidArgumentError(`maxTokens must be at least 1, not ${maxTokens}.`);
  }
  const { tokenizer, model } = engine;
  const frame = await engine.chat.frame({
    ...(system !== undefined && { system }),
    ...(history && { history }),
  });
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
  const firstLogits = logits?.values ?? new Float32Array();
  const steps = decode({
    engine,
    sequence,
    logits: firstLogits,
    maxTokens,
    ...(sampling && { sampling }),
    ...(stop && { stop }),
    ...(signal && { signal }),
  });
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        return {
          text: value.text,
          finishReason: value.finishReason,
          promptTokens: tokens.length,
          generatedTokens: value.tokens.length,
          firstLogits,
        };
      }
      if (value.text !== '') yield value.text;
    }
  } finally {
    await steps.return(undefined as never);
  }
}
