import { Document, type DocumentInterface } from '@langchain/core/documents';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import {
  type AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
} from '@langchain/core/messages';
import {
  type Runnable,
  RunnableLambda,
  RunnablePassthrough,
  RunnablePick,
  RunnableSequence,
} from '@langchain/core/runnables';
import { StringOutputParser } from '@langchain/core/output_parsers';
import type { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors';
import type { BaseRetrieverInterface } from '@langchain/core/retrievers';
import { InvalidArgumentError } from '../../lib/errors.js';
import { documentBlocks, documentsText } from './messages/prompt-document.js';
import { llmTypeOf } from './llm-type.js';
import { assertPeer } from './peer.js';

export interface WeaveChainOptions {
  /** {@link ChatChunkweave}, or any other chat model: what it cannot weave it reads as text. */
  readonly model: BaseChatModel;
  readonly retriever: BaseRetrieverInterface;
  /** Picks among what the retriever finds; default nothing does. */
  readonly compressor?: BaseDocumentCompressor;
  /** Default asks to answer from the documents. Kept the same, it is computed once. */
  readonly system?: string;
  /** How documents stand in the message: default content blocks for models of the type `chunkweave`, else text. */
  readonly documents?: 'blocks' | 'text';
}

export interface WeaveChainInput {
  readonly input: string;
  /** Earlier turns, oldest first. */
  readonly chat_history?: readonly BaseMessage[];
}

/** What a chain gives: the question, the documents that were found, and the answer. */
export interface WeaveChainOutput {
  readonly input: string;
  readonly context: Document[];
  readonly answer: string;
}

const defaultSystem =
  'You answer questions from the documents that the user gives, briefly and only from them.';

/**
 * Retrieves, picks and answers: `{ input, chat_history? }` in, `{ input, context, answer }` out, as LangChain's retrieval
 * chains have it. Streams the context first, then the answer as it comes.
 *
 * Calls reject with InvalidArgumentError for an input without a question, and with what retriever, compressor and model throw.
 */
export function createWeaveChain(
  options: WeaveChainOptions,
): Runnable<WeaveChainInput, WeaveChainOutput> {
  assertPeer();
  const { model, retriever, compressor, system = defaultSystem } = options;
  const { documents: form = llmTypeOf(model) === 'chunkweave' ? 'blocks' : 'text' } = options;

  const find = RunnableLambda.from(async (given: WeaveChainInput, config) => {
    const found = await retriever.invoke(questionOf(given), config);
    config?.signal?.throwIfAborted();
    const kept = compressor
      ? await compressor.compressDocuments(found, given.input, config?.callbacks)
      : found;
    return {
      ...given,
      context: kept.map((document) => new Document(document as DocumentInterface)),
    };
  }).withConfig({ runName: 'find_documents' });

  const messages = RunnableLambda.from(
    ({ input, chat_history: history = [], context }: WeaveChainInput & { context: Document[] }) => [
      ...(system === '' ? [] : [new SystemMessage(system)]),
      ...history,
      form === 'blocks'
        ? new HumanMessage({ content: [...documentBlocks(context), { type: 'text', text: input }] })
        : new HumanMessage(context.length > 0 ? `${documentsText(context)}\n\n${input}` : input),
    ],
  ).withConfig({ runName: 'write_messages' });

  const answer = RunnableSequence.from<WeaveChainInput & { context: Document[] }, string>([
    messages,
    model as Runnable<BaseMessage[], AIMessageChunk>,
    new StringOutputParser(),
  ]);

  return find
    .pipe(RunnablePassthrough.assign({ answer: answer as Runnable }))
    .pipe(new RunnablePick(['input', 'context', 'answer']))
    .withConfig({ runName: 'weave_chain' }) as unknown as Runnable<
    WeaveChainInput,
    WeaveChainOutput
  >;
}

function questionOf(given: unknown): string {
  const { input } = (given ?? {}) as { readonly input?: unknown };
  if (typeof input === 'string' && input.trim() !== '') return input;
  throw new InvalidArgumentError(
    'The chain needs a question: invoke({ input: "…" }), with earlier turns as chat_history.',
  );
}
