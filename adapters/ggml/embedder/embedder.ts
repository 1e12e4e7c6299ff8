import { createHash } from 'node:crypto';
import { ComputeError, DisposedError, InvalidArgumentError } from '../../../lib/errors.js';
import type { Span } from '../../../lib/engine/span.js';
import type { DeviceInfo } from '../../../lib/engine/device.js';
import {
  assertEmbeddable,
  type ContextEmbedder,
  type PassageInContext,
} from '../../../lib/retrieve/embedder.js';
import { type DeviceChoice, pickDevice } from '../devices.js';
import { contentHash } from '../fingerprint.js';
import { readGguf } from '../gguf.js';
import { localPath } from '../local-path.js';
import { Lock } from '../lock.js';
import { checkWordPieces } from '../vocabulary.js';
import { UnsupportedArchitectureError } from '../../../lib/errors.js';
import { describeBert, type PoolingKind } from './bert-file.js';
import { Encoder } from './encoder.js';
import { TextTokens } from './text-tokens.js';
import { contextAround, windowsOf } from './windows.js';

export interface LoadEmbedderOptions {
  /** A GGUF file of a BERT model, a sentence-transformers folder, or any source that `resolveModel` takes. */
  readonly model: string;
  /** Default `auto`, as for `loadEngine`: a process holds one set of native libraries. */
  readonly device?: DeviceChoice;
  /** Threads on the CPU, 1 to 512; default the number of cores. */
  readonly threads?: number;
  /** Default what the file says; without that it must be given. */
  readonly pooling?: PoolingKind;
  /** What is put before texts, for models that were trained so. Each defaults to what the file says, else to nothing. */
  readonly prefixes?: { readonly query?: string; readonly passage?: string };
  /** Tokens of a window, the two around a text included; at most what the model has positions for. Default the file's. */
  readonly sequenceLength?: number;
  /**
   * What becomes of a text that is longer than a window. `average` (default): it is cut into windows, whose vectors are
   * averaged by their tokens, so every part counts. `cut`: only its beginning counts, as in sentence-transformers.
   */
  readonly longTexts?: 'average' | 'cut';
  readonly signal?: AbortSignal;
  /** What is done of a download, as a share in [0, 1]. */
  readonly onProgress?: (step: { phase: 'download' | 'load'; share: number }) => void;
  /** Where hashes of model files are remembered; default in the model cache. */
  readonly hashCache?: string;
}

/** Changes whenever the same file and options give other vectors. */
const ALGORITHM = 1;

/**
 * Loads a model that makes vectors of texts: BERT and its like, all-MiniLM-L6-v2 and bge-small for example.
 * @throws InvalidArgumentError, ModelFileError, UnsupportedArchitectureError, ModelSourceError, NativeLibraryError, DeviceError,
 * OutOfMemoryError, or the signal's reason. Nothing stays loaded then.
 */
export async function loadEmbedder(options: LoadEmbedderOptions): Promise<GgmlEmbedder> {
  const { signal, threads, longTexts = 'average' } = options;
  signal?.throwIfAborted();
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 512)) {
    throw new InvalidArgumentError(`An embedder takes 1 to 512 threads, not ${threads}.`);
  }
  if (longTexts !== 'average' && longTexts !== 'cut') {
    throw new InvalidArgumentError(`longTexts is ${String(longTexts)}; use "average" or "cut".`);
  }
  const path = await localPath(options);
  const header = await readGguf(path);
  const architecture = header.values.get('general.architecture');
  if (architecture !== 'bert') {
    throw new UnsupportedArchitectureError(
      typeof architecture === 'string' ? architecture : 'unknown',
      ['bert'],
      'as an embedder',
    );
  }
  const vocabSize = await checkWordPieces(header, signal);
  const { runtime, device } = await pickDevice(options.device ?? 'auto', signal);
  const file = describeBert(header, runtime.ggml, vocabSize);
  const pooling = options.pooling ?? file.pooling;
  if (pooling !== 'mean' && pooling !== 'cls') {
    throw new InvalidArgumentError(
      pooling === undefined
        ? 'The file does not say how the vectors of tokens become one. Set pooling to "mean" or "cls", as its model card says.'
        : `pooling is ${String(pooling)}; use "mean" or "cls".`,
    );
  }
  const sequenceLength =
    options.sequenceLength ?? Math.min(file.positions, file.sequenceLength ?? file.positions);
  if (!Number.isInteger(sequenceLength) || sequenceLength < 3 || sequenceLength > file.positions) {
    throw new InvalidArgumentError(
      `sequenceLength is ${sequenceLength}; the model takes 3 to ${file.positions} tokens.`,
    );
  }
  const prefixes = { ...file.prefixes, ...withoutUndefined(options.prefixes) };
  if (typeof prefixes.query !== 'string' || typeof prefixes.passage !== 'string') {
    throw new InvalidArgumentError('Prefixes are strings.');
  }
  const content = await contentHash(path, { cacheFile: options.hashCache, signal });
  const encoder = await Encoder.open({
    runtime,
    device,
    path,
    file,
    pooling,
    sequenceLength,
    threads,
  });
  try {
    signal?.throwIfAborted();
    const tokens = new TextTokens(runtime.llama, encoder.vocabulary, path);
    const heads = {
      query: await headOf(tokens, prefixes.query, sequenceLength),
      passage: await headOf(tokens, prefixes.passage, sequenceLength),
    };
    const what = { content, pooling, prefixes, sequenceLength, longTexts };
    return new GgmlEmbedder({
      encoder,
      tokens,
      heads,
      sequenceLength,
      longTexts,
      pooling,
      fingerprint: fingerprintOf(what),
      dimensions: file.width,
    });
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}

function withoutUndefined(prefixes: LoadEmbedderOptions['prefixes'] = {}): {
  query?: string;
  passage?: string;
} {
  const { query, passage } = prefixes;
  return { ...(query !== undefined && { query }), ...(passage !== undefined && { passage }) };
}

/** The tokens before every text of a kind. */
async function headOf(tokens: TextTokens, prefix: string, most: number): Promise<Int32Array> {
  const ids = await tokens.of(prefix);
  if (ids.length + 3 > most) {
    throw new InvalidArgumentError(
      `The prefix "${prefix}" has ${ids.length} tokens, and ${most} are the most of a text with it.`,
    );
  }
  return Int32Array.of(tokens.first, ...ids);
}

function fingerprintOf(what: {
  readonly content: string;
  readonly pooling: PoolingKind;
  readonly prefixes: { readonly query: string; readonly passage: string };
  readonly sequenceLength: number;
  readonly longTexts: string;
}): string {
  const { content, pooling, prefixes, sequenceLength, longTexts } = what;
  const parts = [content, pooling, prefixes.query, prefixes.passage, sequenceLength, longTexts];
  return createHash('sha256')
    .update(`chunkweave embedder ${ALGORITHM}\n${JSON.stringify(parts)}`)
    .digest('hex');
}

/** A window of a text that waits for its batch. */
interface Window {
  readonly text: number;
  readonly ids: Int32Array;
  /** Tokens whose vectors count, where not all do. */
  readonly own?: Span;
  /** What the window's vector counts by among those of its text. */
  readonly weight: number;
}

/**
 * An {@link Embedder} over libllama. Calls side by side take turns batch by batch, so a query waits for one batch of
 * an ingest at most. The same text gives the same vector up to rounding, which depends on what else is in its batch.
 */
export class GgmlEmbedder implements ContextEmbedder, AsyncDisposable {
  readonly fingerprint: string;
  readonly dimensions: number;
  /** Most tokens of a window, the two around a text and the prefix included. */
  readonly sequenceLength: number;
  readonly device: DeviceInfo;
  readonly #encoder: Encoder;
  readonly #tokens: TextTokens;
  readonly #heads: { readonly query: Int32Array; readonly passage: Int32Array };
  readonly #longTexts: 'average' | 'cut';
  readonly #pooling: PoolingKind;
  readonly #turns = new Lock();
  readonly #calls = new Set<Promise<unknown>>();
  #disposed: Promise<void> | undefined;

  /** Use {@link loadEmbedder}. */
  constructor(parts: {
    readonly encoder: Encoder;
    readonly tokens: TextTokens;
    readonly heads: { readonly query: Int32Array; readonly passage: Int32Array };
    readonly sequenceLength: number;
    readonly longTexts: 'average' | 'cut';
    readonly pooling: PoolingKind;
    readonly fingerprint: string;
    readonly dimensions: number;
  }) {
    this.#encoder = parts.encoder;
    this.#tokens = parts.tokens;
    this.#heads = parts.heads;
    this.#longTexts = parts.longTexts;
    this.#pooling = parts.pooling;
    this.sequenceLength = parts.sequenceLength;
    this.fingerprint = parts.fingerprint;
    this.dimensions = parts.dimensions;
    this.device = parts.encoder.device;
  }

  /**
   * One vector a text, `[texts][dimensions]`, of length 1; an empty text has one too. Batches of up to 512 tokens are
   * computed off the event loop; an abort takes effect between them.
   * @throws InvalidArgumentError, DisposedError, ComputeError, or the signal's reason.
   */
  async embed(
    texts: readonly string[],
    options: { readonly kind: 'query' | 'passage'; readonly signal?: AbortSignal },
  ): Promise<Float32Array[]> {
    this.#assertUsable();
    const { kind, signal } = options;
    assertEmbeddable(texts, kind);
    signal?.throwIfAborted();
    return this.#counted(
      this.#embed(
        texts.length,
        (text) => this.#windows(text, texts[text] as string, kind, signal),
        signal,
      ),
    );
  }

  /**
   * Late chunking: vectors of passages, `[passages][dimensions]`, of length 1, each the mean over its own tokens of their vectors,
   * which saw `before` and `after` as far as a window of {@link sequenceLength} holds them beside the passage. A passage that
   * fills a window sees nothing, and has the vector that {@link embed} gives. The first call takes memory for buffers of its own.
   * @throws InvalidArgumentError, also where the model's vectors are no means (`pooling: 'cls'`); DisposedError, ComputeError,
   * OutOfMemoryError, or the signal's reason.
   */
  async embedInContext(
    passages: readonly PassageInContext[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    this.#assertUsable();
    for (const { text, before, after } of passages) {
      assertEmbeddable([before, text, after], 'passage');
    }
    if (this.#pooling !== 'mean') {
      throw new InvalidArgumentError(
        'The vectors of this model are those of one token and no means, so there is none of a part of a text.',
      );
    }
    signal?.throwIfAborted();
    const windows = (text: number) =>
      this.#windowsInContext(text, passages[text] as PassageInContext, signal);
    return this.#counted(this.#embed(passages.length, windows, signal));
  }

  async #counted<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Waits for the batch that runs; calls that are not done reject with a DisposedError. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      // After the assignment, so that the calls see it.
      await Promise.resolve();
      await Promise.allSettled(this.#calls);
      this.#encoder.dispose();
    })();
    return this.#disposed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #embed(
    texts: number,
    windowsOfText: (text: number) => Promise<Window[]>,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const vectors = Array.from({ length: texts }, () => new Float32Array(this.dimensions));
    let batch: Window[] = [];
    let count = 0;
    const flush = async (): Promise<void> => {
      await this.#encode(batch, vectors, signal);
      batch = [];
      count = 0;
    };
    for (let text = 0; text < texts; text++) {
      for (const window of await windowsOfText(text)) {
        const isFull =
          count + window.ids.length > this.#encoder.batchTokens ||
          batch.length === this.#encoder.batchSequences;
        if (isFull) await flush();
        batch.push(window);
        count += window.ids.length;
      }
    }
    if (batch.length > 0) await flush();
    for (const vector of vectors) normalise(vector);
    return vectors;
  }

  async #windows(
    text: number,
    content: string,
    kind: 'query' | 'passage',
    signal: AbortSignal | undefined,
  ): Promise<Window[]> {
    this.#assertUsable();
    const head = this.#heads[kind];
    const room = this.sequenceLength - head.length - 1;
    const tokens = await this.#tokens.of(content, {
      ...(signal && { signal }),
      ...(this.#longTexts === 'cut' && { limit: room }),
    });
    return windowsOf(tokens, room).map((window) => {
      const ids = new Int32Array(head.length + window.length + 1);
      ids.set(head);
      ids.set(window, head.length);
      ids[ids.length - 1] = this.#tokens.last;
      return { text, ids, weight: Math.max(1, window.length) };
    });
  }

  async #windowsInContext(
    text: number,
    passage: PassageInContext,
    signal: AbortSignal | undefined,
  ): Promise<Window[]> {
    this.#assertUsable();
    const head = this.#heads.passage;
    const room = this.sequenceLength - head.length - 1;
    const of = (part: string) => this.#tokens.of(part, signal ? { signal } : {});
    const own = await of(passage.text);
    // Nothing is left for its context, or there is nothing whose mean could be taken.
    if (own.length >= room || own.length === 0) {
      return this.#windows(text, passage.text, 'passage', signal);
    }
    const sides = [await of(passage.before), await of(passage.after)] as const;
    const { before, after } = contextAround(...sides, room - own.length);
    const ids = Int32Array.of(...head, ...before, ...own, ...after, this.#tokens.last);
    const start = head.length + before.length;
    return [{ text, ids, own: { start, end: start + own.length }, weight: 1 }];
  }

  async #encode(
    batch: readonly Window[],
    vectors: readonly Float32Array[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const encoded = await this.#turns.run(() => {
      this.#assertUsable();
      signal?.throwIfAborted();
      const sequences = batch.map(({ ids }) => ids);
      if (batch.every(({ own }) => own === undefined)) return this.#encoder.encode(sequences);
      const spans = batch.map(({ own, ids }) => own ?? { start: 0, end: ids.length });
      return this.#encoder.encodeSpans(sequences, spans);
    });
    for (const [i, { text, weight }] of batch.entries()) {
      const part = normalise(encoded[i] as Float32Array);
      const sum = vectors[text] as Float32Array;
      for (let at = 0; at < sum.length; at++) sum[at]! += weight * part[at]!;
    }
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError('embedder');
  }
}

/** Scales a vector to length 1, in place. @throws ComputeError for one that has no direction. */
function normalise(vector: Float32Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  if (!(length > 0 && length < Number.POSITIVE_INFINITY)) {
    throw new ComputeError('The model gave a vector without a direction. Is its file sound?');
  }
  for (let i = 0; i < vector.length; i++) vector[i]! /= length;
  return vector;
}
