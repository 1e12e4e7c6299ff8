import { InvalidArgumentError } from '../errors.js';

/** Turns texts into vectors. */
export interface Embedder {
  /** Changes whenever the vectors would: an index built with another embedder is refused. */
  readonly fingerprint: string;
  readonly dimensions: number;
  /** One vector a text, `[texts][dimensions]`, normalised to length 1. */
  embed(
    texts: readonly string[],
    options: { readonly kind: 'query' | 'passage'; readonly signal?: AbortSignal },
  ): Promise<Float32Array[]>;
}

/**
 * What every embedder refuses alike, for callers without types.
 * @throws InvalidArgumentError
 */
export function assertEmbeddable(texts: readonly string[], kind: 'query' | 'passage'): void {
  if (kind !== 'query' && kind !== 'passage') {
    throw new InvalidArgumentError(`kind is ${String(kind)}; use "query" or "passage".`);
  }
  const wrong = texts.findIndex((text) => typeof text !== 'string');
  if (wrong >= 0) throw new InvalidArgumentError(`Text ${wrong} is not a string.`);
}
