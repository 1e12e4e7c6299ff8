import { createHash } from 'node:crypto';
import { ComputeError, DisposedError, InvalidArgumentError } from '../../lib/errors.js';
import { assertEmbeddable, type Embedder } from '../../lib/retrieve/embedder.js';
import {
  type FeatureExtractor,
  type FeatureTensor,
  loadTransformers,
  type TransformersModule,
} from './package.js';

export interface TransformersEmbedderOptions {
  /** A model's name on the hub, `Xenova/all-MiniLM-L6-v2` for example, or a folder of its ONNX files. */
  readonly model: string;
  /** What is loaded of the model: `q8`, `fp16`, `fp32` and others. Default `q8`. */
  readonly dtype?: string;
  /** Revision on the hub; default `main`. Name a commit where vectors are kept. */
  readonly revision?: string;
  /** How the vectors of tokens become one, as the model was trained; default `mean`. */
  readonly pooling?: 'mean' | 'cls';
  /** What is put before texts, for models that were trained so. Default nothing. */
  readonly prefixes?: { readonly query?: string; readonly passage?: string };
  /** Texts that are computed at once; default 16. All are padded to the longest of them. */
  readonly batch?: number;
  /** Takes no model from the network. Default false. */
  readonly localOnly?: boolean;
  readonly signal?: AbortSignal;
  /** The module, where it is already loaded or stands in for the package. Default: whichever package is installed. */
  readonly module?: TransformersModule;
}

/** Changes whenever the same model and options give other vectors. */
const ALGORITHM = 1;

/**
 * Loads a model into `@huggingface/transformers` (or `@xenova/transformers`), an optional package: ONNX models, in Node.js
 * and elsewhere. Texts are cut at the length that the model's tokenizer says.
 * @throws InvalidArgumentError, MissingPackageError, ComputeError for a model that gives no vectors, what the package
 * throws for a model that cannot be loaded, or the signal's reason.
 */
export async function loadTransformersEmbedder(
  options: TransformersEmbedderOptions,
): Promise<TransformersEmbedder> {
  const { model, dtype = 'q8', revision = 'main', pooling = 'mean', batch = 16, signal } = options;
  signal?.throwIfAborted();
  if (typeof model !== 'string' || model === '') {
    throw new InvalidArgumentError('Name a model, or give the folder of one.');
  }
  if (pooling !== 'mean' && pooling !== 'cls') {
    throw new InvalidArgumentError(`pooling is ${String(pooling)}; use "mean" or "cls".`);
  }
  if (!Number.isInteger(batch) || batch < 1) {
    throw new InvalidArgumentError(`batch is ${batch}; give a whole number of at least 1.`);
  }
  const { query = '', passage = '' } = options.prefixes ?? {};
  if (typeof query !== 'string' || typeof passage !== 'string') {
    throw new InvalidArgumentError('Prefixes are strings.');
  }
  const { pipeline } = options.module ?? (await loadTransformers());
  signal?.throwIfAborted();
  const extractor = (await pipeline('feature-extraction', model, {
    dtype,
    // What the former package calls it.
    quantized: dtype === 'q8',
    revision,
    local_files_only: options.localOnly ?? false,
  })) as FeatureExtractor;
  try {
    signal?.throwIfAborted();
    const [probe] = vectorsOf(await extractor(['a'], { pooling, normalize: true }), 1);
    const parts = [model, dtype, revision, pooling, query, passage];
    return new TransformersEmbedder({
      extractor,
      pooling,
      batch,
      prefixes: { query, passage },
      dimensions: (probe as Float32Array).length,
      // The weights themselves are the package's own affair, so their names must do.
      fingerprint: createHash('sha256')
        .update(`chunkweave transformers ${ALGORITHM}\n${JSON.stringify(parts)}`)
        .digest('hex'),
    });
  } catch (error) {
    await extractor.dispose?.();
    throw error;
  }
}

/** An {@link Embedder} over a feature-extraction pipeline. Calls side by side take turns batch by batch. */
export class TransformersEmbedder implements Embedder, AsyncDisposable {
  readonly fingerprint: string;
  readonly dimensions: number;
  readonly #extractor: FeatureExtractor;
  readonly #pooling: 'mean' | 'cls';
  readonly #batch: number;
  readonly #prefixes: { readonly query: string; readonly passage: string };
  #last: Promise<unknown> = Promise.resolve();
  #disposed: Promise<void> | undefined;

  /** Use {@link loadTransformersEmbedder}. */
  constructor(parts: {
    readonly extractor: FeatureExtractor;
    readonly pooling: 'mean' | 'cls';
    readonly batch: number;
    readonly prefixes: { readonly query: string; readonly passage: string };
    readonly dimensions: number;
    readonly fingerprint: string;
  }) {
    this.#extractor = parts.extractor;
    this.#pooling = parts.pooling;
    this.#batch = parts.batch;
    this.#prefixes = parts.prefixes;
    this.dimensions = parts.dimensions;
    this.fingerprint = parts.fingerprint;
  }

  /**
   * One vector a text, `[texts][dimensions]`, of length 1. An abort takes effect between batches.
   * @throws InvalidArgumentError, DisposedError, ComputeError, what the package throws, or the signal's reason.
   */
  async embed(
    texts: readonly string[],
    options: { readonly kind: 'query' | 'passage'; readonly signal?: AbortSignal },
  ): Promise<Float32Array[]> {
    this.#assertUsable();
    const { kind, signal } = options;
    assertEmbeddable(texts, kind);
    const prefix = this.#prefixes[kind];
    const all: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += this.#batch) {
      const batch = texts.slice(from, from + this.#batch).map((text) => prefix + text);
      const tensor = await this.#inTurn(() => {
        this.#assertUsable();
        signal?.throwIfAborted();
        return this.#extractor(batch, { pooling: this.#pooling, normalize: true });
      });
      for (const vector of vectorsOf(tensor, batch.length, this.dimensions)) all.push(vector);
    }
    signal?.throwIfAborted();
    return all;
  }

  /** Waits for the batch that runs; calls that are not done reject with a DisposedError. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#inTurn(async () => {
      await this.#extractor.dispose?.();
    });
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('embedder');
  }
}

/** Rows of a tensor. @throws ComputeError for another shape, or values that are no vector of length 1. */
function vectorsOf(tensor: FeatureTensor, count: number, dimensions?: number): Float32Array[] {
  const { data, dims } = tensor;
  const [rows, width = 0] = dims;
  const isSound =
    dims.length === 2 &&
    rows === count &&
    width > 0 &&
    data.length === count * width &&
    (dimensions === undefined || width === dimensions);
  if (!isSound) {
    throw new ComputeError(
      `The model gave a tensor of [${dims.join(', ')}] for ${count} texts. Is it a model for feature extraction?`,
    );
  }
  return Array.from({ length: count }, (_, row) => {
    const vector = new Float32Array(width);
    for (let i = 0; i < width; i++) vector[i] = data[row * width + i] as number;
    const squares = vector.reduce((sum, value) => sum + value * value, 0);
    if (!(Math.abs(squares - 1) < 0.01)) {
      throw new ComputeError('The model gave a vector without a direction. Are its files sound?');
    }
    return vector;
  });
}
