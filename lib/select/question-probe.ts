import type { Chunk } from '../document.js';

/**
 * What a question looks like to the model behind chunks whose keys and values are kept. Asking takes the question's tokens
 * only: the chunks were computed before.
 */
export interface QuestionProbe {
  /**
   * How hard the question's tokens are to foretell behind each set of chunks, woven in the given order right behind the
   * canonical prefix, positions repaired and nothing computed again unless `refresh` says so. Sets that begin alike share cells, and many are computed in one
   * batch. An empty set gives what the question is worth by itself.
   *
   * @throws InvalidArgumentError for a share that is none; ContextOverflowError for a set that fits neither the cells nor the context; what engine and store throw;
   * the signal's reason.
   */
  losses(sets: readonly (readonly Chunk[])[], options: LossesOptions): Promise<QuestionLosses>;
  /**
   * How much the question looks at each token of chunks that stand side by side right behind the prefix, none in sight of
   * another, in one pass of its tokens up to the last layer that is asked.
   *
   * @throws as {@link losses} does.
   */
  attention(
    chunks: readonly Chunk[],
    options: QuestionProbeOptions & { readonly layers?: readonly number[] },
  ): Promise<ChunkAttention>;
}

export interface QuestionProbeOptions {
  readonly question: string;
  /**
   * What becomes of chunks whose keys and values are not kept: `encode` (default) makes and keeps them; `leave` goes on as
   * if they were not there, and names them.
   */
  readonly missing?: 'encode' | 'leave';
  readonly signal?: AbortSignal;
}

export interface LossesOptions extends QuestionProbeOptions {
  /**
   * Share of a set's tokens behind its first passage, in [0, 1], that are computed again together with the question: those that
   * it looks at most, by one pass of it over all the chunks (as of {@link QuestionProbe.attention}). Default 0.
   */
  readonly refresh?: number;
}

export interface QuestionLosses {
  /** For each set the negative log-likelihood, in nats, of each of the question's own tokens. */
  readonly sets: readonly Float32Array[];
  /** Ids of the chunks that were left out since their keys and values are not kept. */
  readonly missing: readonly string[];
  readonly work: ProbeWork;
}

export interface ChunkAttention {
  /**
   * For each chunk attention mass by token, summed over layers, heads and the question's tokens, in units of the mass that
   * the prefix and the question itself got; undefined where its keys and values are missing.
   */
  readonly chunks: readonly (Float32Array | undefined)[];
  readonly layers: readonly number[];
  readonly work: ProbeWork;
}

/** What asking took. */
export interface ProbeWork {
  /** One token through one layer is 1; encoding what was missing is not counted. */
  readonly layerTokens: number;
  /** Batches that were computed. */
  readonly batches: number;
  /** Of reading keys and values and putting them in their places. */
  readonly placeMs: number;
  /** Of computing the question's tokens. */
  readonly computeMs: number;
  /** Of making keys and values that were missing. */
  readonly encodeMs: number;
}
