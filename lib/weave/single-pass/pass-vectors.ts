import type { Chunk } from '../../document.js';
import type { KvEngine } from '../../engine/engine.js';
import { ComputeError, InvalidArgumentError } from '../../errors.js';
import { assertEmbeddable, type Embedder } from '../../retrieve/embedder.js';
import { chunkOf } from '../../store/chunk-key.js';
import type { CellBudget } from '../cell-budget.js';
import type { EncodingBase } from '../warmup/encoding-base.js';

/** Which of the model's layers vectors are taken from. */
export interface PassVectorsMode {
  /** Number of the layer whose residual stream is averaged over each passage; default the last but one, which found most. */
  readonly layer?: number;
}

export interface PassVectorsParts {
  readonly engine: KvEngine;
  readonly prefix: EncodingBase;
  /** Names the prefix. */
  readonly prefixKey: string;
  readonly cells: CellBudget;
}

/**
 * Vectors of passages as the passes over their documents left them, and of other texts after the same prefix: the mean of the
 * residual stream over the text's tokens, behind one layer, brought to length 1.
 */
export class PassVectors implements Embedder {
  readonly fingerprint: string;
  readonly dimensions: number;
  readonly layer: number;
  readonly #parts: PassVectorsParts;
  /** By the key of the passage's keys and values, so that a document that comes again under another name has them. */
  readonly #byKey = new Map<string, Float32Array>();
  readonly #byChunk = new WeakMap<Chunk, Float32Array>();

  /** @throws InvalidArgumentError for a layer that the model does not have */
  constructor(parts: PassVectorsParts, { layer }: PassVectorsMode) {
    const { model } = parts.engine;
    this.layer = layer ?? Math.max(0, model.layers - 2);
    if (!Number.isSafeInteger(this.layer) || this.layer < 0 || this.layer >= model.layers) {
      throw new InvalidArgumentError(
        `singlePass.vectors: layer is ${layer}; give a whole number from 0 to ${model.layers - 1}.`,
      );
    }
    this.#parts = parts;
    this.dimensions = model.width;
    this.fingerprint = `pass of ${model.fingerprint} after ${parts.prefixKey}, layer ${this.layer}`;
  }

  /** What a pass made of the passage whose keys and values have this key. */
  keep(key: string, pooled: Float32Array): void {
    this.#byKey.set(key, unit(pooled));
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  place(chunk: Chunk, key: string): void {
    const vector = this.#byKey.get(key);
    if (vector) this.#byChunk.set(chunk, vector);
  }

  readonly of = (chunk: Chunk): Float32Array | undefined => this.#byChunk.get(chunk);

  /** Lets go of those of passages that are in no document any more. */
  forget(isForgotten: (key: string) => boolean): void {
    for (const key of this.#byKey.keys()) if (isForgotten(chunkOf(key))) this.#byKey.delete(key);
  }

  async embed(
    texts: readonly string[],
    { kind, signal }: Parameters<Embedder['embed']>[1],
  ): Promise<Float32Array[]> {
    assertEmbeddable(texts, kind);
    const vectors: Float32Array[] = [];
    for (const text of texts) vectors.push(await this.#embedOne(text, signal));
    return vectors;
  }

  async #embedOne(text: string, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { engine, prefix, cells } = this.#parts;
    const { ids } = await engine.tokenizer.encode(text, signal ? { signal } : {});
    const room = Math.min(cells.total, engine.model.contextLength - prefix.length);
    const tokens = ids.slice(0, room);
    if (tokens.length === 0) return new Float32Array(this.dimensions);
    const lease = await cells.acquire(tokens.length, signal);
    try {
      const sequence = (await prefix.use(signal)).sequence.fork();
      try {
        const { hidden } = await sequence.append(tokens, {
          logits: 'none',
          hidden: { layers: [this.layer], pool: [{ start: 0, end: tokens.length }] },
          ...(signal && { signal }),
        });
        if (!hidden) throw new ComputeError('The engine gave no residual stream.');
        return unit(hidden.values.subarray(0, this.dimensions));
      } finally {
        sequence.dispose();
      }
    } finally {
      lease.release();
    }
  }
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector.slice();
}
