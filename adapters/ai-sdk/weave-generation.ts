import type { Weave } from '../../lib/weave.js';
import type { Answer, Source } from '../../lib/weave/answer.js';
import type { FinishReason, JSONObject, SourceContent, Warning } from './contract.js';
import type { Generation } from './generation.js';
import { weaveOptions } from './provider-options.js';
import type { ModelRequest } from './request.js';

/** Says what of a conversation a weave does not take. */
export function warnForWeave({ conversation, instructions, warnings }: ModelRequest): void {
  const add = (feature: string, details: string): void => {
    const warning: Warning = { type: 'unsupported', feature, details };
    warnings.push(warning);
  };
  if (conversation.system !== '') {
    add(
      'system message',
      'The system message of a weave is set by createWeave({ system }): KV is made after it.',
    );
  }
  if (conversation.history.length > 0) {
    add(
      'earlier turns',
      'A weave answers the last message only. Put what it needs to know into the question.',
    );
  }
  if (instructions.length > 0) {
    warnings.push({
      type: 'other',
      message:
        'The model does not see the schema, but its answer follows it. Say in the question what to fill in.',
    });
  }
}

/** An answer by a weave: the last message is the question, passages come from cached KV. */
export async function* weaveGeneration(
  weave: Weave,
  request: ModelRequest,
  signal: AbortSignal,
): Generation {
  const { conversation, maxTokens, stop, sampling, options } = request;
  const chosen = Object.fromEntries(
    weaveOptions.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
  const stream = weave.stream(conversation.prompt, {
    ...chosen,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stop && { stop }),
    ...(Object.keys(sampling).length > 0 && { sampling }),
    signal,
  });
  for await (const event of stream) {
    if (event.type === 'retrieved') yield { type: 'sources', sources: event.sources.map(sourceOf) };
    else if (event.type === 'delta') yield { type: 'delta', text: event.text };
    else if (event.type === 'answer') {
      const { usage, notes } = event.answer;
      yield {
        type: 'end',
        finishReason: finishReasonOf(event.answer),
        usage: {
          inputTokens: {
            total: usage.prompt,
            noCache: usage.recomputed + usage.fresh,
            cacheRead: usage.cached,
            cacheWrite: undefined,
          },
          outputTokens: { total: usage.generated, text: usage.generated, reasoning: undefined },
          raw: { ...usage },
        },
        metadata: { chunkweave: metadataOf(event.answer) },
        notes,
      };
    }
  }
}

function finishReasonOf({ finishReason }: Answer): FinishReason {
  const unified =
    finishReason === 'length' ? 'length' : finishReason === 'nothing-found' ? 'other' : 'stop';
  return { unified, raw: finishReason };
}

function metadataOf({ usage, timings, reuse, notes, sources }: Answer): JSONObject {
  return {
    usage: { ...usage },
    timings: { ...timings },
    reuse,
    notes: [...notes],
    sources: sources.map(({ number, chunkId, documentId, start, end, cached }) => {
      return { number, chunkId, documentId, start, end, cached };
    }),
  };
}

function sourceOf({
  chunkId,
  documentId,
  title,
  source,
  start,
  end,
  score,
  text,
}: Source): SourceContent {
  const providerMetadata = { chunkweave: { documentId, start, end, score, text } };
  if (source !== undefined && /^https?:\/\//.test(source)) {
    return { type: 'source', sourceType: 'url', id: chunkId, url: source, title, providerMetadata };
  }
  return {
    type: 'source',
    sourceType: 'document',
    id: chunkId,
    mediaType: 'text/plain',
    title,
    ...(source !== undefined && { filename: source }),
    providerMetadata,
  };
}
