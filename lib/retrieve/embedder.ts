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

/** A passage and the text around it. */
export interface PassageInContext {
  readonly text: string;
  readonly before: string;
  readonly after: string;
}

/** An embedder that can take a passage's vector from its tokens as they saw the text around them (late chunking). */
export interface ContextEmbedder extends Embedder {
  /**
   * One vector a passage, `[passages][dimensions]`, normalised to length 1: the mean of the vectors of its own tokens,
   * computed in the sight of as much of `before` and `after` as the model takes, the nearest kept.
   */
  embedInContext(
    passages: readonly PassageInContext[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<Float32Array[]>;
}

export const isContextEmbedder = (embedder: Embedder): embedder is ContextEmbedder =>
  typeof (embedder as Partial<ContextEmbedder>).embedInContext === 'function';

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
