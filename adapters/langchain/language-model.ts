import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import {
  type AIMessageChunk,
  HumanMessage,
  SystemMessage,
  type UsageMetadata,
} from '@langchain/core/messages';
import { InvalidArgumentError, SamplingError } from '../../lib/errors.js';
import type { GenerateRequest, GenerateResult, LanguageModel } from '../../lib/language-model.js';
import { ChatChunkweave } from './chat/chat-model.js';
import { llmTypeOf } from './llm-type.js';

export interface FromLangChainOptions {
  /** Default the model's own name, or its type. */
  readonly name?: string;
  /**
   * Call options of the model for a request, beside `stop` and `signal`. LangChain has no common names for them; default
   * `temperature`, `maxTokens` and `seed`, which models that do not know them leave alone: set them when making the model then.
   */
  readonly callOptions?: (request: GenerateRequest) => Record<string, unknown>;
}

/**
 * Any chat model of LangChain as the {@link LanguageModel} that chunkers, enrichment and judges ask. It gives no
 * alternatives of the first token, whatever `topLogprobs` says.
 *
 * `generate` rejects with SamplingError for a grammar, which only {@link ChatChunkweave} follows; with
 * InvalidArgumentError where the model answers with something else than text; and with what the model throws.
 */
export function fromLangChainModel(
  model: BaseChatModel,
  options: FromLangChainOptions = {},
): LanguageModel {
  const { callOptions = commonOptions } = options;
  const { model: modelName } = model as { readonly model?: unknown };
  const name = options.name ?? (typeof modelName === 'string' ? modelName : llmTypeOf(model));
  return {
    name,
    generate: async (request) => {
      const { system, prompt, stop, grammar, signal } = request;
      if (grammar !== undefined && !(model instanceof ChatChunkweave)) {
        throw new SamplingError(
          `The model "${name}" follows no grammar. Ask without one, or use ChatChunkweave or engineLanguageModel.`,
        );
      }
      const messages = [
        ...(system === undefined ? [] : [new SystemMessage(system)]),
        new HumanMessage(prompt),
      ];
      const message = await model.invoke(messages, {
        ...callOptions(request),
        ...(grammar !== undefined && { grammar }),
        ...(stop && { stop: [...stop] }),
        ...(signal && { signal }),
      });
      return resultOf(message, name);
    },
  };
}

function commonOptions({ temperature, maxTokens, seed }: GenerateRequest): Record<string, unknown> {
  return {
    temperature: temperature ?? 0,
    maxTokens: maxTokens ?? 256,
    ...(seed !== undefined && { seed }),
  };
}

function resultOf(message: AIMessageChunk, name: string): GenerateResult {
  const { text, response_metadata: metadata } = message;
  const { usage_metadata: usage } = message as unknown as {
    readonly usage_metadata?: UsageMetadata;
  };
  if (text === '' && (message.tool_calls?.length ?? 0) > 0) {
    throw new InvalidArgumentError(
      `The model "${name}" called tools instead of answering. Give one without tools.`,
    );
  }
  const reasons = [metadata['finish_reason'], metadata['stop_reason'], metadata['finishReason']];
  const isCut = reasons.some((reason) => /^(length|max_tokens)$/i.test(String(reason)));
  return {
    text,
    finishReason: isCut ? 'length' : 'stop',
    usage: {
      promptTokens: usage?.input_tokens ?? 0,
      generatedTokens: usage?.output_tokens ?? 0,
    },
  };
}
