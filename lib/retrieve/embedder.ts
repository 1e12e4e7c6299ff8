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
