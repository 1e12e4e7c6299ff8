import { InvalidArgumentError } from '../../errors.js';
import type { Embedder } from '../../retrieve/embedder.js';
import { termsOf } from '../../retrieve/terms.js';
import { contentHash } from '../../chunkers/chunk-id.js';

export interface HashingEmbedderOptions {
  /** Default 256. */
  readonly dimensions?: number;
}

/**
 * An embedder without a model: each term of a text adds 1 or -1 to a dimension that follows from its hash (feature
 * hashing, Weinberger et al., ICML 2009, arXiv 0902.2206), and the sum is normalised. Texts are near that share words.
 * For tests, and to see what a bench does; it understands nothing.
 */
export class HashingEmbedder implements Embedder {
  readonly dimensions: number;
  readonly fingerprint: string;
  /** Texts embedded so far, in the order of calls. */
  readonly seen: string[] = [];

  constructor({ dimensions = 256 }: HashingEmbedderOptions = {}) {
    if (!Number.isInteger(dimensions) || dimensions < 1) {
      throw new InvalidArgumentError(`dimensions must be at least 1, not ${dimensions}.`);
    }
    this.dimensions = dimensions;
    this.fingerprint = `hashing-${dimensions}`;
  }

  async embed(
    texts: readonly string[],
    { signal }: { readonly kind: 'query' | 'passage'; readonly signal?: AbortSignal },
  ): Promise<Float32Array[]> {
    signal?.throwIfAborted();
    this.seen.push(...texts);
    return texts.map((text) => this.#vectorOf(text));
  }

  #vectorOf(text: string): Float32Array {
    const vector = new Float32Array(this.dimensions);
    for (const term of termsOf(text)) {
      const hash = parseInt(contentHash(term).slice(4), 16);
      const at = (hash >>> 1) % this.dimensions;
      vector[at] = (vector[at] as number) + (hash & 1 ? 1 : -1);
    }
    const length = Math.hypot(...vector);
    // A text without terms, or whose terms cancel out, still gets a direction.
    if (length === 0) vector[0] = 1;
    else for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) / length;
    return vector;
  }
}
