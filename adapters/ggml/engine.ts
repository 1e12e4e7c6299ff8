import { DisposedError, InvalidArgumentError } from '../../lib/errors.js';
import type { KvArena } from '../../lib/engine/arena.js';
import type { ChatFormat } from '../../lib/engine/chat.js';
import { createChatFormat } from '../../lib/engine/chat-template.js';
import type { DeviceInfo } from '../../lib/engine/device.js';
import type { ArenaOptions, KvEngine } from '../../lib/engine/engine.js';
import type { ModelInfo } from '../../lib/engine/model-info.js';
import type { Sampler, SamplingOptions } from '../../lib/engine/sampling.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { GgmlArena } from './arena.js';
import { Backend } from './backend.js';
import { type DeviceChoice, pickDevice } from './devices.js';
import { loadModel } from './load-model.js';
import { localPath } from './local-path.js';
import type { LoadedModel } from './model.js';
import { createNativeSampler } from './sampler.js';
import { createTokenizer, type NativeTokenizer } from './tokenizer.js';

export interface LoadEngineOptions {
  /** A model file, or any source that `resolveModel` of `chunkweave/models` takes. */
  readonly model: string;
  /** Default `auto`: a GPU whose libraries are installed, else the CPU. */
  readonly device?: DeviceChoice;
  /** Threads on the CPU, 1 to 512; default the number of cores. */
  readonly threads?: number;
  /** Variables for the chat template, for example `{ enable_thinking: false }`. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  /** What is done of a download and of loading, each as a share in [0, 1]. */
  readonly onProgress?: (step: { phase: 'download' | 'load'; share: number }) => void;
  /** Where hashes of model files are remembered; default in the model cache. */
  readonly hashCache?: string;
  /** Look embeddings up on the CPU; default only where the device cannot. */
  readonly embedOnHost?: boolean;
}

/**
 * Loads a model into the native engine.
 * @throws InvalidArgumentError, ModelFileError, UnsupportedArchitectureError, ModelSourceError, NativeLibraryError, DeviceError,
 * OutOfMemoryError, or the signal's reason. Nothing stays loaded then.
 */
export async function loadEngine(options: LoadEngineOptions): Promise<GgmlEngine> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 512)) {
    throw new InvalidArgumentError(`An engine takes 1 to 512 threads, not ${threads}.`);
  }
  const path = await localPath(options);
  const { runtime, device } = await pickDevice(options.device ?? 'auto', signal);
  const backend = new Backend(runtime, device, { threads });
  const cleanUp: (() => Promise<void> | void)[] = [() => backend.dispose()];
  try {
    const model = await loadModel({
      path,
      backend,
      signal,
      onProgress: onProgress && ((share) => onProgress({ phase: 'load', share })),
      hashCache: options.hashCache,
      embedOnHost: options.embedOnHost,
    });
    cleanUp.unshift(() => model.dispose());
    const tokenizer = await createTokenizer(runtime, path, { ...(signal && { signal }) });
    cleanUp.unshift(() => tokenizer.dispose());
    const chat = createChatFormat({
      tokenizer,
      ...(model.chatTemplate !== undefined && { template: model.chatTemplate }),
      ...(options.templateVariables && { variables: options.templateVariables }),
    });
    signal?.throwIfAborted();
    return new GgmlEngine({ model, tokenizer, chat, cleanUp });
  } catch (error) {
    for (const step of cleanUp) await step();
    throw error;
  }
}

/** A {@link KvEngine} over ggml. */
export class GgmlEngine implements KvEngine {
  readonly model: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatFormat;
  readonly device: DeviceInfo;
  readonly #model: LoadedModel;
  readonly #vocabulary: NativeTokenizer;
  readonly #cleanUp: readonly (() => Promise<void> | void)[];
  readonly #arenas = new Set<GgmlArena>();
  readonly #making = new Set<Promise<GgmlArena>>();
  #disposed: Promise<void> | undefined;

  constructor(parts: {
    model: LoadedModel;
    tokenizer: NativeTokenizer;
    chat: ChatFormat;
    cleanUp: readonly (() => Promise<void> | void)[];
  }) {
    this.#model = parts.model;
    this.#vocabulary = parts.tokenizer;
    this.#cleanUp = parts.cleanUp;
    this.model = parts.model.info;
    this.tokenizer = parts.tokenizer;
    this.chat = parts.chat;
    this.device = parts.model.backend.info;
  }

  /** Milliseconds that native computes took so far. */
  get computeMs(): number {
    return this.#model.backend.busyMs;
  }

  async createArena(options: ArenaOptions): Promise<KvArena> {
    this.#assertUsable();
    const making = GgmlArena.create(this.#model, options.cells, (gone) => {
      this.#arenas.delete(gone);
    });
    this.#making.add(making);
    try {
      const arena = await making;
      this.#arenas.add(arena);
      return arena;
    } finally {
      this.#making.delete(making);
    }
  }

  async createSampler(options: SamplingOptions = {}): Promise<Sampler> {
    this.#assertUsable();
    return createNativeSampler(this.#model.backend.runtime, this.#vocabulary, options);
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      await Promise.allSettled(this.#making);
      await Promise.all([...this.#arenas].map((arena) => arena.dispose()));
      for (const step of this.#cleanUp) await step();
    })();
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('engine');
  }
}
