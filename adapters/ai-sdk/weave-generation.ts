import { InvalidArgumentError } from '../../lib/errors.js';
import type { Weave } from '../../lib/weave.js';
import type { Answer, AnswerStream, Source } from '../../lib/weave/answer.js';
import { type ChatLease, exchangesOf, KeptChats } from '../../lib/weave/chat/kept-chats.js';
import type { Chat } from '../../lib/weave/chat/options.js';
import type { ChatExchange } from '../../lib/weave/chat/exchange.js';
import type { FinishReason, JSONObject, SourceContent, Warning } from './contract.js';
import type { Generation } from './generation.js';
import { weaveOptions } from './provider-options.js';
import type { ModelRequest } from './request.js';

/** Says what of a conversation a weave does not take. */
export function warnForWeave({
  conversation,
  instructions,
  options,
  warnings,
}: ModelRequest): void {
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
  if (conversation.history.length > 0 && !exchangesOf(conversation.history)) {
    add(
      'earlier turns',
      'A weave takes turns that alternate, the first of them the user’s. The last message is answered by itself.',
    );
  } else if (conversation.history.length > 0 && (options.layout ?? 'sequence') !== 'sequence') {
    add(
      'earlier turns',
      `Conversations stand in the layout "sequence" only. In the layout "${options.layout}" the last message is answered by itself.`,
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

/** Conversations of a weave whose turns are kept in its cells, for all models over it. */
const mostKept = 8;
const chatsOf = new WeakMap<Weave, KeptChats>();

/**
 * An answer by a weave: the last message is the question, passages come from cached KV, and so do the earlier turns where
 * this weave answered them.
 */
export async function* weaveGeneration(
  weave: Weave,
  request: ModelRequest,
  signal: AbortSignal,
): Generation {
  const chats = chatsOf.get(weave) ?? new KeptChats(weave, mostKept);
  chatsOf.set(weave, chats);
  const { layout = 'sequence' } = request.options;
  const history = layout === 'sequence' ? exchangesOf(request.conversation.history) : undefined;
  const lease = history && leaseFrom(chats, history);
  try {
    yield* answerParts(weaveStream(lease?.chat ?? weave, request, signal));
  } finally {
    await lease?.release();
  }
}

/** A weave of another layout answers single questions in that, and conversations in a sequence. */
function leaseFrom(chats: KeptChats, history: readonly ChatExchange[]): ChatLease | undefined {
  if (history.length > 0) return chats.lease(history, { layout: 'sequence' });
  try {
    return chats.lease(history);
  } catch (error) {
    if (error instanceof InvalidArgumentError) return undefined;
    throw error;
  }
}

/** Starts the answer to the last message. */
function weaveStream(
  source: Pick<Weave, 'stream'> | Pick<Chat, 'stream'>,
  request: ModelRequest,
  signal: AbortSignal,
): AnswerStream {
  const { conversation, maxTokens, stop, sampling, options } = request;
  const chosen = Object.fromEntries(
    weaveOptions.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
  return source.stream(conversation.prompt, {
    ...chosen,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stop && { stop }),
    ...(Object.keys(sampling).length > 0 && { sampling }),
    signal,
  });
}

async function* answerParts(stream: AnswerStream): Generation {
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
