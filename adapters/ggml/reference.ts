import {
  ComputeError,
  ContextOverflowError,
  DisposedError,
  InvalidArgumentError,
  ModelFileError,
  OutOfMemoryError,
} from '../../lib/errors.js';
import { describeArchitecture } from './architectures.js';
import { defaultThreads } from './backend.js';
import { readGguf } from './gguf.js';
import { Lock } from './lock.js';
import { bindCpu, callAsync, type CpuFunctions, GgmlDeviceType, GgmlType } from './native/ggml.js';
import { type Batch, DecodeStatus, FlashAttention, NO_DEVICES } from './native/llama.js';
import type { DevicePtr, LlamaContextPtr, ModelPtr, ThreadpoolPtr } from './native/pointer.js';
import type { Runtime } from './native/runtime.js';
import { readVocabulary } from './vocabulary.js';

export interface ReferenceOptions {
  readonly path: string;
  /** Tokens that the context holds. */
  readonly contextLength: number;
  /** Default: the number of cores. */
  readonly threads?: number;
  /** Default true. */
  readonly flashAttention?: boolean;
  /** Tokens in one call of llama_decode, default 2048. */
  readonly batch?: number;
  /** Tokens in one graph, default 512. Another split gives other roundings. */
  readonly ubatch?: number;
  /** Whether weights are repacked for this CPU; default true. */
  readonly repack?: boolean;
  /** A GPU of the runtime that holds all layers, keys and values; default the CPU does. */
  readonly device?: DevicePtr | undefined;
}

export interface ReferenceDecodeOptions {
  /** Consecutive positions, one a token, after those before; the first may be any while there is none. */
  readonly positions?: ArrayLike<number>;
  /** Default `last`. */
  readonly logits?: 'last' | 'all';
}

/**
 * llama.cpp's own computation of a model, on the CPU unless a device is given, with f16 keys and values: what this
 * engine is compared with. It can only extend one sequence.
 */
export interface Reference extends AsyncDisposable {
  readonly vocabSize: number;
  /** Tokens that the context holds; may be rounded up from what was asked for. */
  readonly contextLength: number;
  /**
   * Appends tokens. Returns logits `[1 or tokens.length][vocabSize]`.
   * @throws InvalidArgumentError, ContextOverflowError, ComputeError
   */
  decode(tokens: ArrayLike<number>, options?: ReferenceDecodeOptions): Promise<Float32Array>;
  /** Forgets all tokens. */
  clear(): void;
  dispose(): Promise<void>;
}

/** `llama_load_mode`: reads the file, since mapping it ends the process when the file is cut meanwhile. */
const LOAD_BY_READING = 0;
/** More than any model has. */
const ALL_LAYERS = 1 << 20;

/**
 * Loads a model into llama.cpp.
 * @throws ModelFileError, UnsupportedArchitectureError, InvalidArgumentError, OutOfMemoryError
 */
export async function openReference(
  runtime: Runtime,
  options: ReferenceOptions,
): Promise<Reference> {
  const { path, contextLength, threads = defaultThreads(), batch = 2048, ubatch = 512 } = options;
  for (const [name, value] of Object.entries({ contextLength, threads, batch, ubatch })) {
    if (!Number.isInteger(value) || value < 1 || value > 1 << 24) {
      throw new InvalidArgumentError(`${name} is ${value}; it must be a positive integer.`);
    }
  }
  // libllama ends the process on some malformed files; these readers do not.
  const header = await readGguf(path);
  const { architecture, hyperparameters: hp, values } = describeArchitecture(header);
  if (architecture.name === 'qwen2' && hp.heads * hp.headDim !== hp.width) {
    throw new ModelFileError(path, 'its heads do not add up to its width.');
  }
  if (
    architecture.windowPeriod !== undefined &&
    values.number('attention.sliding_window') &&
    hp.window === 0
  ) {
    throw new ModelFileError(
      path,
      'it names a sliding window and no layer that has one, which llama.cpp does not compute.',
    );
  }
  await readVocabulary(header);
  const { llama, koffi } = runtime;
  const onDevice = options.device !== undefined;
  const devices = options.device
    ? BigUint64Array.of(BigInt(koffi.address(options.device)), 0n)
    : NO_DEVICES;
  const model = await callAsync(
    llama.modelLoad,
    path,
    llama.modelParams({
      devices,
      n_gpu_layers: onDevice ? ALL_LAYERS : 0,
      load_mode: LOAD_BY_READING,
      use_extra_bufts: options.repack ?? true,
    }),
  );
  if (!model) throw new ModelFileError(path, 'llama.cpp does not load it.');
  const context = await callAsync(
    llama.contextNew,
    model,
    llama.contextParams({
      n_ctx: contextLength,
      n_batch: Math.min(batch, contextLength),
      n_ubatch: Math.min(ubatch, batch, contextLength),
      n_outputs_max_per_seq: 0,
      n_threads: threads,
      n_threads_batch: threads,
      flash_attn_type: (options.flashAttention ?? true) ? FlashAttention.On : FlashAttention.Off,
      type_k: GgmlType.F16,
      type_v: GgmlType.F16,
      offload_kqv: onDevice,
      op_offload: onDevice,
    }),
  );
  if (!context) {
    await callAsync(llama.modelFree, model);
    throw new OutOfMemoryError(
      `a context of ${contextLength} tokens`,
      contextLength * hp.layers * hp.kvHeads * hp.headDim * 4,
      'llama.cpp',
    );
  }
  return new NativeReference(runtime, model, context, {
    threads,
    batch: Math.min(batch, contextLength),
  });
}

class NativeReference implements Reference {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly #runtime: Runtime;
  readonly #model: ModelPtr;
  readonly #context: LlamaContextPtr;
  readonly #batch: number;
  readonly #lock = new Lock();
  readonly #pool: { free(): void } | undefined;
  /** Position after the last token, and the number of tokens. */
  #next = 0;
  #held = 0;
  #disposed: Promise<void> | undefined;
  /** Keeps the arrays of a running call from being collected. */
  #running: Batch | undefined;

  constructor(
    runtime: Runtime,
    model: ModelPtr,
    context: LlamaContextPtr,
    options: { threads: number; batch: number },
  ) {
    const { llama } = runtime;
    this.#runtime = runtime;
    this.#model = model;
    this.#context = context;
    this.#batch = options.batch;
    this.#pool = attachPool(runtime, context, options.threads);
    this.vocabSize = llama.vocabSize(llama.modelVocab(model));
    this.contextLength = llama.contextSize(context);
  }

  async decode(
    tokens: ArrayLike<number>,
    options: ReferenceDecodeOptions = {},
  ): Promise<Float32Array> {
    this.#assertUsable();
    const ids = this.#checkTokens(tokens);
    return this.#lock.run(async () => {
      this.#assertUsable();
      const positions = this.#checkPositions(ids.length, options.positions);
      const all = options.logits === 'all';
      const rows = new Float32Array((all ? ids.length : 1) * this.vocabSize);
      for (let from = 0; from < ids.length; from += this.#batch) {
        const to = Math.min(from + this.#batch, ids.length);
        const isLast = to === ids.length;
        const wanted = new Int8Array(to - from).fill(all ? 1 : 0);
        if (isLast) wanted[to - from - 1] = 1;
        await this.#decodeBatch({
          n_tokens: to - from,
          token: ids.slice(from, to),
          embd: null,
          pos: positions.slice(from, to),
          n_seq_id: null,
          seq_id: null,
          logits: wanted,
        });
        this.#next = (positions[to - 1] ?? 0) + 1;
        this.#held += to - from;
        for (let i = from; i < to; i++) {
          if (wanted[i - from]) this.#readRow(i - from, rows, all ? i : 0);
        }
      }
      return rows;
    });
  }

  clear(): void {
    this.#assertUsable();
    if (this.#running) {
      throw new InvalidArgumentError(
        'The reference cannot be cleared while it decodes. Await that first.',
      );
    }
    const { llama } = this.#runtime;
    llama.memoryClear(llama.memory(this.#context), true);
    this.#next = 0;
    this.#held = 0;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#lock.run(async () => {
      const { llama } = this.#runtime;
      llama.contextFree(this.#context);
      this.#pool?.free();
      await callAsync(llama.modelFree, this.#model);
    });
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #decodeBatch(batch: Batch): Promise<void> {
    this.#running = batch;
    try {
      const status = await callAsync(this.#runtime.llama.decode, this.#context, batch);
      if (status === DecodeStatus.Success) return;
      throw new ComputeError(
        status === DecodeStatus.InvalidBatch
          ? 'llama.cpp refused the batch. Positions must continue the sequence; clear it first.'
          : `llama.cpp could not decode (status ${status}). Clear the reference, or open a new one.`,
      );
    } finally {
      this.#running = undefined;
    }
  }

  #readRow(index: number, rows: Float32Array, row: number): void {
    const { llama } = this.#runtime;
    const address = llama.logitsAt(this.#context, index);
    if (address === null) throw new ComputeError(`llama.cpp gave no logits for token ${index}.`);
    llama.readFloats(address, rows.subarray(row * this.vocabSize, (row + 1) * this.vocabSize));
  }

  #checkTokens(tokens: ArrayLike<number>): Int32Array {
    if (tokens.length < 1) throw new InvalidArgumentError('There are no tokens to decode.');
    const ids = new Int32Array(tokens.length);
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i] as number;
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
        throw new InvalidArgumentError(`Token ${id} is not in [0, ${this.vocabSize}).`);
      }
      ids[i] = id;
    }
    return ids;
  }

  #checkPositions(count: number, given: ArrayLike<number> | undefined): Int32Array {
    if (this.#held + count > this.contextLength) {
      throw new ContextOverflowError(
        this.#held + count,
        this.contextLength,
        'Open the reference with a larger contextLength.',
      );
    }
    const positions = new Int32Array(count);
    if (given && given.length !== count) {
      throw new InvalidArgumentError(`There are ${given.length} positions for ${count} tokens.`);
    }
    const first = given ? (given[0] as number) : this.#next;
    const isFree = this.#next === 0;
    for (let i = 0; i < count; i++) {
      const position = given ? (given[i] as number) : first + i;
      const isSound = Number.isInteger(first) && first >= 0 && first < 1 << 30;
      if (!isSound || position !== first + i || (!isFree && first !== this.#next)) {
        throw new InvalidArgumentError(
          `Position ${position} does not continue the sequence; llama.cpp can only append.`,
        );
      }
      positions[i] = position;
    }
    return positions;
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('reference');
  }
}

/** Threads that stay: starting new ones for every graph would halve the speed of decoding. */
function attachPool(
  runtime: Runtime,
  context: LlamaContextPtr,
  threads: number,
): { free(): void } | undefined {
  const { ggml, llama, devices } = runtime;
  const cpu = devices.find((device) => ggml.devType(device) === GgmlDeviceType.CPU);
  if (!cpu) return undefined;
  const functions: CpuFunctions = bindCpu(ggml, cpu);
  const pool: ThreadpoolPtr | null = functions.threadpoolNew(ggml.threadpoolDefaults(threads));
  if (!pool) return undefined;
  llama.attachThreadpool(context, pool, pool);
  return { free: () => functions.threadpoolFree(pool) };
}
