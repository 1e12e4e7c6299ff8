import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager';
import type {
  BaseLanguageModelInput,
  StructuredOutputMethodOptions,
} from '@langchain/core/language_models/base';
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
  type LangSmithParams,
} from '@langchain/core/language_models/chat_models';
import { AIMessage, AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs';
import type { Runnable } from '@langchain/core/runnables';
import { recursiveChunker } from '../../../lib/chunkers/recursive.js';
import type { Chunk } from '../../../lib/document.js';
import type { SamplingOptions } from '../../../lib/engine/sampling.js';
import { InvalidArgumentError } from '../../../lib/errors.js';
import type { PromptOptions } from '../../../lib/prompt.js';
import { memoryStore } from '../../../lib/store/memory-store.js';
import type { Answer } from '../../../lib/weave/answer.js';
import type { AskOptions, WeaveOptions } from '../../../lib/weave/options.js';
import { KeptChats } from '../../../lib/weave/chat/kept-chats.js';
import type { Chat } from '../../../lib/weave/chat/options.js';
import { createWeave, type Weave } from '../../../lib/weave.js';
import { type ReadMessages, readMessages } from '../messages/read-messages.js';
import { assertPeer, ownVersion } from '../peer.js';
import { responseMetadata, usageMetadata } from './metadata.js';
import { type Call, CallRetriever, PassageCutter, RunningCalls } from './passages.js';
import { structuredOutput } from './structured-output.js';
import { CallSplitter, readAnswer, type ToolForm, toolDefinitions, toolForm } from './tools.js';
import { Weaves } from './weaves.js';

/** Options of a weave that a chat model takes as they are. */
type WeaveFields = Pick<
  WeaveOptions,
  | 'engine'
  | 'store'
  | 'costs'
  | 'chunker'
  | 'tenant'
  | 'label'
  | 'cells'
  | 'topK'
  | 'selector'
  | 'retrieve'
  | 'budget'
  | 'value'
  | 'reranker'
  | 'policy'
  | 'refreshLate'
  | 'order'
  | 'layout'
  | 'maxTokens'
  | 'sampling'
>;

export interface ChatChunkweaveFields extends BaseChatModelParams, WeaveFields {
  /** System message where the messages have none. Default none. */
  readonly system?: string;
  /** Text before and after passages, and around the question where there are passages. */
  readonly prompt?: Pick<PromptOptions, 'instructions' | 'separator' | 'question'>;
  /** Strings that end the answer and are not part of it. */
  readonly stop?: readonly string[];
  /** Short for `sampling.temperature`; default 0. */
  readonly temperature?: number;
  /**
   * Conversations for each system message whose turns are kept in the cells, those used last; default 0: earlier turns are
   * written after the documents of a call, and computed with each question. See docs/langchain.md.
   */
  readonly conversations?: number;
  /** System messages whose prefix and cells are kept, those used last; default 2. Each takes `cells`. */
  readonly maxSystems?: number;
}

export interface ChatChunkweaveCallOptions extends BaseChatModelCallOptions {
  /** GBNF grammar that the answer must follow. */
  readonly grammar?: string;
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly seed?: number;
  /** Tools that the answer may call: see {@link ChatChunkweave.bindTools}. */
  readonly tools?: BindToolsInput[];
  /** `full` computes the prompt from its first token, with nothing reused. */
  readonly reuse?: 'woven' | 'full';
}

/**
 * A chat model over an engine of this process, which weaves the documents that stand in its messages: their keys and
 * values are made once and reused in whatever prompt they come again, in any order.
 *
 * Documents are content blocks (`documentBlocks`), text between `<document>` and `</document>` (`documentsText`), or the
 * artifact of a retriever tool. They stand first in the prompt, then earlier turns and the question. All of them must
 * fit, in the order of the messages, unless `topK` or a `selector` picks passages.
 *
 * Calls reject with InvalidArgumentError for messages that cannot be answered, ContextOverflowError for too much text,
 * SamplingError for a grammar that the engine refuses, and the signal's reason.
 */
export class ChatChunkweave
  extends BaseChatModel<ChatChunkweaveCallOptions>
  implements AsyncDisposable
{
  static override lc_name(): string {
    return 'ChatChunkweave';
  }

  override lc_serializable = false;
  override lc_namespace = ['chunkweave', 'langchain'];
  readonly #fields: ChatChunkweaveFields;
  readonly #calls = new RunningCalls();
  readonly #cutter: PassageCutter;
  readonly #weaves: Weaves;
  readonly #chats = new WeakMap<Weave, KeptChats>();
  readonly #ownStore: AsyncDisposable | undefined;

  constructor(fields: ChatChunkweaveFields) {
    assertPeer();
    super(fields);
    // oxlint-disable-next-line no-underscore-dangle -- LangChain's name.
    this._addVersion('chunkweave', ownVersion);
    const { engine, store, tenant, label, maxSystems = 2, conversations = 0 } = fields;
    const { chunker = recursiveChunker() } = fields;
    if (!engine) {
      throw new InvalidArgumentError(
        "ChatChunkweave needs an engine: new ChatChunkweave({ engine: await loadEngine({ model }) }), with loadEngine of 'chunkweave/ggml'.",
      );
    }
    if (!Number.isSafeInteger(maxSystems) || maxSystems < 1) {
      throw new InvalidArgumentError(
        `maxSystems is ${maxSystems}; give a whole number of at least 1.`,
      );
    }
    if (!Number.isSafeInteger(conversations) || conversations < 0) {
      throw new InvalidArgumentError(
        `conversations is ${conversations}; give a whole number of at least 0.`,
      );
    }
    const access = {
      ...(tenant !== undefined && { tenant }),
      ...(label !== undefined && { label }),
    };
    const own = store ? undefined : memoryStore(access);
    this.#fields = fields;
    this.#ownStore = own;
    this.#cutter = new PassageCutter(engine, chunker);
    const shared = {
      engine,
      store: store ?? own,
      chunker,
      retriever: new CallRetriever(this.#calls),
    };
    this.#weaves = new Weaves(
      (system) => createWeave(this.#weaveOptions(shared as WeaveOptions, system)),
      maxSystems,
    );
  }

  override _llmType(): string {
    return 'chunkweave';
  }

  /** Name of the model. */
  get model(): string {
    return this.#fields.engine.model.name;
  }

  override _identifyingParams(): Record<string, unknown> {
    const { engine, system, maxTokens, stop, layout, policy } = this.#fields;
    return {
      model: engine.model.name,
      fingerprint: engine.model.fingerprint,
      system,
      maxTokens,
      stop,
      layout,
      policy: policy?.name,
      sampling: this.#sampling({}),
    };
  }

  override invocationParams(options?: this['ParsedCallOptions']): Record<string, unknown> {
    return {
      model: this.model,
      ...this.#sampling(options ?? {}),
      max_tokens: options?.maxTokens ?? this.#fields.maxTokens ?? 256,
      stop: this.#stop(options ?? {}),
    };
  }

  override getLsParams(options: this['ParsedCallOptions']): LangSmithParams {
    const stop = this.#stop(options);
    return {
      ls_provider: 'chunkweave',
      ls_model_name: this.model,
      ls_model_type: 'chat',
      ls_temperature: this.#sampling(options).temperature ?? 0,
      ls_max_tokens: options.maxTokens ?? this.#fields.maxTokens ?? 256,
      ...(stop && { ls_stop: [...stop] }),
    };
  }

  /**
   * The model with tools that it may call. A grammar keeps its answer to one call of one of them, or, with the choice
   * `auto`, to text; the system message tells which there are, so each set of tools has a prefix of its own.
   *
   * @throws InvalidArgumentError for a `tool_choice` that is not among the tools, SamplingError for an input schema that no
   * grammar is made of.
   */
  override bindTools(
    tools: BindToolsInput[],
    options: Partial<ChatChunkweaveCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatChunkweaveCallOptions> {
    const bound = { ...options, tools: toolDefinitions(tools) };
    toolForm(bound);
    return this.withConfig(bound);
  }

  // LangChain's own overloads of this method hide what both forms have in common.
  // oxlint-disable-next-line typescript/no-explicit-any
  override withStructuredOutput<Output extends Record<string, any> = Record<string, any>>(
    schema: Parameters<BaseChatModel['withStructuredOutput']>[0],
    config?: StructuredOutputMethodOptions<boolean>,
    // oxlint-disable-next-line typescript/no-explicit-any
  ): Runnable<BaseLanguageModelInput, any> {
    return structuredOutput<Output>(this, schema, config);
  }

  override async _generate(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
  ): Promise<ChatResult> {
    const call = await this.#prepare(messages, options);
    const lease = await this.#lease(call);
    try {
      const answer = await this.#calls.run(lease.call, () =>
        lease.source.ask(call.read.question, call.ask),
      );
      const message = new AIMessage({
        ...readAnswer(answer.text, call.tools),
        response_metadata: { ...this.#metadata(answer, call) },
      });
      Object.assign(message, { usage_metadata: usageMetadata(answer, call.passages) });
      return { generations: [{ text: message.text, message }] };
    } finally {
      await lease.release();
    }
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const call = await this.#prepare(messages, options);
    const lease = await this.#lease(call);
    try {
      const events = this.#calls.run(lease.call, () =>
        lease.source.stream(call.read.question, call.ask),
      );
      const splitter = new CallSplitter(call.tools);
      for await (const event of events) {
        if (event.type === 'delta' || event.type === 'answer') {
          const pieces =
            event.type === 'delta'
              ? splitter.push(event.text)
              : splitter.end(readAnswer(event.answer.text, call.tools).tool_calls.length > 0);
          for (const piece of pieces) {
            const text = typeof piece === 'string' ? piece : '';
            const calls = typeof piece === 'string' ? {} : { tool_call_chunks: [piece] };
            const chunk = generationChunk(new AIMessageChunk({ content: text, ...calls }));
            yield chunk;
            await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, {
              chunk,
            });
          }
        }
        if (event.type === 'answer') {
          const last = new AIMessageChunk({
            content: '',
            response_metadata: { ...this.#metadata(event.answer, call) },
          });
          const usage_metadata = usageMetadata(event.answer, call.passages);
          Object.assign(last, { usage_metadata });
          yield generationChunk(last);
        }
      }
    } catch (error) {
      // LangChain then throws its own error, with the text so far.
      if (!options.signal?.aborted) throw error;
    } finally {
      await lease.release();
    }
  }

  /** Gives back cells, and the store where it is the model's own. The engine stays. */
  async dispose(): Promise<void> {
    await this.#weaves.dispose();
    await this.#ownStore?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** What answers a call: a weave, or the chat that its earlier turns stand in. */
  async #lease({ read, passages, isWhole }: PreparedCall): Promise<CallLease> {
    const { weave, release } = await this.#weaves.lease(read.system);
    const { conversations = 0 } = this.#fields;
    const { question, exchanges } = read;
    if (conversations === 0 || !exchanges) {
      return { source: weave, call: { passages, text: read.text }, release };
    }
    const chats = this.#chats.get(weave) ?? new KeptChats(weave, conversations);
    this.#chats.set(weave, chats);
    try {
      const kept = chats.lease(exchanges, { whenFull: isWhole ? 'throw' : 'forget' });
      return {
        source: kept.chat,
        call: { passages, text: read.last, question },
        release: async () => {
          await kept.release();
          await release();
        },
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #prepare(
    messages: readonly BaseMessage[],
    options: this['ParsedCallOptions'],
  ): Promise<PreparedCall> {
    const { signal, reuse } = options;
    signal?.throwIfAborted();
    const tools = toolForm(options);
    if (tools && options.grammar !== undefined) {
      throw new InvalidArgumentError(
        'A grammar cannot be used together with tools. Leave one out.',
      );
    }
    const said = readMessages(messages);
    const { system = this.#fields.system ?? '' } = said;
    const read = tools
      ? { ...said, system: [system, tools.instructions].filter(Boolean).join('\n\n') }
      : said;
    const { topK, selector, order, maxTokens } = this.#fields;
    const choosing = topK !== undefined || (selector !== undefined && selector !== 'top-k');
    const passages = await this.#cutter.cut(read.documents, { choosing, signal });
    const tokens = options.maxTokens ?? maxTokens;
    const stop = this.#stop(options);
    const ask: AskOptions = {
      whenNothingFound: 'answer',
      sampling: this.#sampling(tools ? { ...options, grammar: tools.grammar } : options),
      ...(tokens !== undefined && { maxTokens: tokens }),
      ...(stop && { stop }),
      ...(signal && { signal }),
      ...(reuse && { reuse }),
      // All of them, as they stand in the messages.
      ...(!choosing && { topK: passages.length, overflow: 'throw', order: order ?? 'rank' }),
      ...(passages.length === 0 && { topK: 0 }),
    };
    return { read, passages, ask, isWhole: !choosing, ...(tools && { tools }) };
  }

  #weaveOptions(shared: WeaveOptions, system = this.#fields.system ?? ''): WeaveOptions {
    const { prompt = {}, engine: _, store: __, chunker: ___, ...fields } = this.#fields;
    const { instructions = '', separator, question = underPassages } = prompt;
    const calls = this.#calls;
    return {
      ...weaveFields(fields),
      ...shared,
      prompt: {
        system,
        instructions,
        ...(separator !== undefined && { separator }),
        question: (asked) => {
          const { text, passages, question: current = asked } = calls.current;
          if (asked !== current) return asked;
          return passages.length > 0 ? question(text) : text;
        },
      },
    };
  }

  #sampling({ temperature, seed, grammar }: Partial<ChatChunkweaveCallOptions>): SamplingOptions {
    const given = temperature ?? this.#fields.temperature;
    return {
      ...this.#fields.sampling,
      ...(given !== undefined && { temperature: given }),
      ...(seed !== undefined && { seed }),
      ...(grammar !== undefined && { grammar }),
    };
  }

  #stop({ stop }: Partial<ChatChunkweaveCallOptions>): readonly string[] | undefined {
    return stop ?? this.#fields.stop;
  }

  #metadata(answer: Answer, { read, tools }: PreparedCall) {
    const titles = new Map(read.documents.map(({ id, title = id }) => [id, title]));
    const { engine } = this.#fields;
    const isCall = readAnswer(answer.text, tools).tool_calls.length > 0;
    return responseMetadata(engine.model, answer, titles, { isCall, notes: tools?.notes ?? [] });
  }
}

interface CallLease {
  readonly source: Pick<Weave, 'ask' | 'stream'> | Pick<Chat, 'ask' | 'stream'>;
  readonly call: Call;
  release(): Promise<void>;
}

interface PreparedCall {
  readonly read: ReadMessages;
  readonly passages: readonly Chunk[];
  readonly ask: AskOptions;
  /** All documents must be in the prompt. */
  readonly isWhole: boolean;
  readonly tools?: ToolForm;
}

/** Small models keep to what stands last: without the reminder they go on in the passages' style. */
const underPassages = (text: string) => `Using the documents above:\n${text}`;

const weaveFieldNames = [
  'costs',
  'tenant',
  'label',
  'cells',
  'topK',
  'selector',
  'retrieve',
  'budget',
  'value',
  'reranker',
  'policy',
  'refreshLate',
  'order',
  'layout',
] as const satisfies readonly (keyof WeaveFields)[];

/** What a weave takes of the model's fields, and nothing of what LangChain does. */
function weaveFields(fields: Partial<WeaveFields>): Partial<WeaveFields> {
  return Object.fromEntries(
    weaveFieldNames.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])),
  );
}

function generationChunk(message: AIMessageChunk): ChatGenerationChunk {
  return new ChatGenerationChunk({ text: message.text, message });
}
