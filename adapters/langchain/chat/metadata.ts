import type { UsageMetadata } from '@langchain/core/messages';
import type { Chunk } from '../../../lib/document.js';
import type { ModelInfo } from '../../../lib/engine/model-info.js';
import type { Answer, Source, Timings, Usage } from '../../../lib/weave/answer.js';

/** `response_metadata` of a message by {@link ChatChunkweave}. */
export interface ChunkweaveResponseMetadata {
  readonly model: string;
  readonly model_name: string;
  readonly model_provider: 'chunkweave';
  /** `length` where the answer was cut short, `tool_calls` where it is a call. */
  readonly finish_reason: 'stop' | 'length' | 'tool_calls';
  readonly chunkweave: {
    /** Tokens; `prompt` is the sum of `cached`, `recomputed` and `fresh`. */
    readonly usage: Usage;
    /** Milliseconds. */
    readonly timings: Timings;
    readonly reuse: Answer['reuse'];
    /** The passages in the order of the prompt, without their texts. */
    readonly sources: readonly Omit<Source, 'text'>[];
    /** What a person should know: passages left out and so on. */
    readonly notes: readonly string[];
  };
}

export function responseMetadata(
  model: ModelInfo,
  answer: Answer,
  titles: ReadonlyMap<string, string>,
  { isCall, notes: own }: { readonly isCall: boolean; readonly notes: readonly string[] },
): ChunkweaveResponseMetadata {
  const { usage, timings, reuse, notes } = answer;
  return {
    model: model.name,
    model_name: model.name,
    model_provider: 'chunkweave',
    finish_reason: isCall ? 'tool_calls' : answer.finishReason === 'length' ? 'length' : 'stop',
    chunkweave: {
      usage,
      timings,
      reuse,
      notes: [...own, ...notes],
      sources: answer.sources.map(({ text: _text, ...source }) => ({
        ...source,
        title: titles.get(source.documentId) ?? source.title,
      })),
    },
  };
}

/**
 * `cache_read` are tokens reused as they were, `cache_creation` those of passages whose KV was made and kept. Tokens that
 * were reused and computed again count as neither.
 */
export function usageMetadata(answer: Answer, passages: readonly Chunk[]): UsageMetadata {
  const { prompt, cached, generated } = answer.usage;
  const lengths = new Map(passages.map(({ id, tokens }) => [id, tokens.length]));
  let made = 0;
  if (answer.reuse === 'woven') {
    for (const source of answer.sources) {
      if (!source.cached) made += lengths.get(source.chunkId) ?? 0;
    }
  }
  return {
    input_tokens: prompt,
    output_tokens: generated,
    total_tokens: prompt + generated,
    input_token_details: { cache_read: cached, cache_creation: made },
  };
}
