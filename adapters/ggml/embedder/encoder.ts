import { ComputeError, ModelFileError, OutOfMemoryError } from '../../../lib/errors.js';
import type { Span } from '../../../lib/engine/span.js';
import type { DeviceInfo } from '../../../lib/engine/device.js';
import { defaultThreads, describeDevice } from '../backend.js';
import { checkMemory } from '../memory.js';
import { callAsync } from '../native/ggml.js';
import { type Batch, FlashAttention, NO_DEVICES, Pooling } from '../native/llama.js';
import type { AnyPtr, DevicePtr, LlamaContextPtr, ModelPtr, VocabPtr } from '../native/pointer.js';
import type { Runtime } from '../native/runtime.js';
import type { BertFile, PoolingKind } from './bert-file.js';

export interface EncoderOptions {
  readonly runtime: Runtime;
  readonly device: DevicePtr;
  readonly path: string;
  readonly file: BertFile;
  readonly pooling: PoolingKind;
  /** Most tokens of a sequence. */
  readonly sequenceLength: number;
  readonly threads: number | undefined;
}

/** Tokens of a batch: with more, attention across sequences, which is masked but computed, costs more than calls do. */
const BATCH_TOKENS = 512;
const BATCH_SEQUENCES = 64;

/** `llama_load_mode`: reads the file, since mapping it ends the process when the file is cut meanwhile. */
const LOAD_BY_READING = 0;
/** More than any model has. */
const ALL_LAYERS = 1 << 20;

/** A BERT model in libllama. Not for two calls at a time. */
export class Encoder {
  readonly vocabulary: VocabPtr;
  readonly device: DeviceInfo;
  /** Most tokens of a batch, all sequences together. */
  readonly batchTokens: number;
  readonly batchSequences = BATCH_SEQUENCES;
  readonly #runtime: Runtime;
  readonly #model: ModelPtr;
  readonly #context: LlamaContextPtr;
  readonly #threads: number;
  /** One whose tokens keep their vectors, made when it is first needed. */
  #unpooled: LlamaContextPtr | undefined;
  readonly #file: BertFile;
  readonly #sequenceLength: number;
  readonly #sequences: { readonly addresses: BigUint64Array; free(): void };
  /** Keeps the arrays of a running call from being collected. */
  #running: Batch | undefined;

  /**
   * Loads a file that was checked.
   * @throws ModelFileError, OutOfMemoryError
   */
  static async open(options: EncoderOptions): Promise<Encoder> {
    const { runtime, device, path, file, pooling, sequenceLength } = options;
    const { llama, koffi } = runtime;
    const info = describeDevice(runtime, device);
    const isCpu = info.kind === 'cpu';
    const batchTokens = Math.max(BATCH_TOKENS, sequenceLength);
    const bytes = file.weightBytes + scratchBytes(file, batchTokens);
    checkMemory({ isCpu, info }, bytes, 'weights and buffers of an embedder');
    const model = await callAsync(
      llama.modelLoad,
      path,
      llama.modelParams({
        devices: isCpu ? NO_DEVICES : BigUint64Array.of(BigInt(koffi.address(device)), 0n),
        n_gpu_layers: isCpu ? 0 : ALL_LAYERS,
        load_mode: LOAD_BY_READING,
      }),
    );
    if (!model) throw new ModelFileError(path, 'llama.cpp does not load it.');
    const threads = options.threads ?? defaultThreads();
    const context = await newContext(runtime, model, {
      batchTokens,
      threads,
      isCpu,
      pooling: pooling === 'mean' ? Pooling.Mean : Pooling.Cls,
    });
    if (!context) {
      llama.modelFree(model);
      throw new OutOfMemoryError('weights and buffers of an embedder', bytes, info.name);
    }
    return new Encoder({ ...options, threads, model, context, info, batchTokens });
  }

  private constructor(
    parts: EncoderOptions & {
      threads: number;
      model: ModelPtr;
      context: LlamaContextPtr;
      info: DeviceInfo;
      batchTokens: number;
    },
  ) {
    const { llama } = parts.runtime;
    this.#runtime = parts.runtime;
    this.#model = parts.model;
    this.#context = parts.context;
    this.#threads = parts.threads;
    this.#file = parts.file;
    this.#sequenceLength = parts.sequenceLength;
    this.device = parts.info;
    this.batchTokens = parts.batchTokens;
    this.vocabulary = llama.modelVocab(parts.model);
    this.#sequences = llama.sequenceIds(BATCH_SEQUENCES);
  }

  /**
   * Vectors of sequences of tokens, `[sequences][width]`, pooled and not normalised. Computed together on a pool thread.
   * @throws ComputeError
   */
  async encode(sequences: readonly Int32Array[]): Promise<Float32Array[]> {
    const { llama } = this.#runtime;
    await this.#compute(this.#context, sequences);
    return sequences.map((_, sequence) => {
      const vector = new Float32Array(this.#file.width);
      this.#read(llama.embeddingOf(this.#context, sequence), vector);
      return vector;
    });
  }

  /**
   * Means of the vectors of some tokens of each sequence, `[sequences][width]`, not normalised. The first call takes memory
   * for buffers of its own.
   * @param spans numbers of tokens in their sequence, at least one
   * @throws ComputeError, OutOfMemoryError
   */
  async encodeSpans(
    sequences: readonly Int32Array[],
    spans: readonly Span[],
  ): Promise<Float32Array[]> {
    const { llama } = this.#runtime;
    const context = (this.#unpooled ??= await this.#openUnpooled());
    await this.#compute(context, sequences);
    const { width } = this.#file;
    const token = new Float32Array(width);
    let first = 0;
    return sequences.map(({ length }, i) => {
      const { start, end } = spans[i] as Span;
      const mean = new Float32Array(width);
      for (let at = start; at < end; at++) {
        this.#read(llama.tokenEmbeddingOf(context, first + at), token);
        for (let k = 0; k < width; k++) mean[k]! += token[k]! / (end - start);
      }
      first += length;
      return mean;
    });
  }

  async #openUnpooled(): Promise<LlamaContextPtr> {
    const bytes = scratchBytes(this.#file, this.batchTokens);
    const isCpu = this.device.kind === 'cpu';
    checkMemory({ isCpu, info: this.device }, bytes, 'buffers of an embedder');
    const context = await newContext(this.#runtime, this.#model, {
      batchTokens: this.batchTokens,
      threads: this.#threads,
      isCpu,
      pooling: Pooling.None,
    });
    if (context) return context;
    throw new OutOfMemoryError('buffers of an embedder', bytes, this.device.name);
  }

  async #compute(context: LlamaContextPtr, sequences: readonly Int32Array[]): Promise<void> {
    const { llama } = this.#runtime;
    const batch = this.#batchOf(sequences);
    if (this.#running) throw new ComputeError('An encoder runs one batch at a time.');
    this.#running = batch;
    try {
      const status = await callAsync(llama.encode, context, batch);
      if (status !== 0) {
        throw new ComputeError(`llama.cpp could not encode texts (status ${status}). Try again.`);
      }
      // On a GPU the call before only hands the work over, and reading would wait on this thread.
      await callAsync(llama.synchronize, context);
    } finally {
      this.#running = undefined;
    }
  }

  #read(address: AnyPtr | null, vector: Float32Array): void {
    if (address === null) throw new ComputeError('llama.cpp gave no vector for a text.');
    this.#runtime.llama.readFloats(address, vector);
  }

  dispose(): void {
    const { llama } = this.#runtime;
    llama.contextFree(this.#context);
    if (this.#unpooled) llama.contextFree(this.#unpooled);
    llama.modelFree(this.#model);
    this.#sequences.free();
  }

  /** Everything that the library asserts is checked here once more. */
  #batchOf(sequences: readonly Int32Array[]): Batch {
    const count = sequences.reduce((sum, { length }) => sum + length, 0);
    const tooLong = sequences.some(
      ({ length }) => length < 1 || length > Math.min(this.#sequenceLength, this.#file.positions),
    );
    if (tooLong || count < 1 || count > this.batchTokens || sequences.length > BATCH_SEQUENCES) {
      throw new ComputeError(`A batch of ${count} tokens does not fit the encoder.`);
    }
    const tokens = new Int32Array(count);
    const positions = new Int32Array(count);
    const ids = new BigUint64Array(count);
    let at = 0;
    for (const [index, sequence] of sequences.entries()) {
      for (const [position, token] of sequence.entries()) {
        if (token < 0 || token >= this.#file.vocabSize) {
          throw new ComputeError(`Token ${token} is not in [0, ${this.#file.vocabSize}).`);
        }
        tokens[at] = token;
        positions[at] = position;
        ids[at] = this.#sequences.addresses[index] as bigint;
        at++;
      }
    }
    return {
      n_tokens: count,
      token: tokens,
      embd: null,
      pos: positions,
      n_seq_id: new Int32Array(count).fill(1),
      seq_id: ids,
      logits: new Int8Array(count).fill(1),
    };
  }
}

interface ContextOf {
  readonly batchTokens: number;
  readonly threads: number;
  readonly isCpu: boolean;
  readonly pooling: (typeof Pooling)[keyof typeof Pooling];
}

/** Null where there is no memory for it. */
function newContext(
  { llama }: Runtime,
  model: ModelPtr,
  { batchTokens, threads, isCpu, pooling }: ContextOf,
): Promise<LlamaContextPtr | null> {
  return callAsync(
    llama.contextNew,
    model,
    llama.contextParams({
      n_ctx: batchTokens,
      n_batch: batchTokens,
      n_ubatch: batchTokens,
      n_seq_max: BATCH_SEQUENCES,
      // The library asserts that all tokens of a batch may be outputs.
      n_outputs_max: 0,
      n_outputs_max_per_seq: 0,
      n_threads: threads,
      n_threads_batch: threads,
      pooling_type: pooling,
      embeddings: true,
      flash_attn_type: FlashAttention.Off,
      kv_unified: true,
      offload_kqv: !isCpu,
      op_offload: !isCpu,
    }),
  );
}

/** About what the library takes beside the weights; it holds room for logits even where there are none. */
function scratchBytes({ vocabSize, width, feedForward, heads }: BertFile, tokens: number): number {
  const rows = vocabSize + 8 * width + 2 * feedForward;
  return 4 * tokens * (rows + 3 * heads * tokens);
}
