import type { Span } from '../../engine/span.js';
import type { ChunkOptions } from '../chunker.js';

/** How well a language model foresaw each token of a text. */
export interface TokenLosses {
  /** Changes whenever the losses would: with the model, what it reads before the text, and how long texts are divided. */
  readonly fingerprint: string;
  /**
   * Cross-entropy of each token after those before it, in nats, NaN where there is none: `[tokens]`.
   * @param sentences tokens of each sentence, in order, together all of them: where a long text may be divided
   */
  lossesOf(
    tokens: Int32Array,
    sentences: readonly Span[],
    options?: ChunkOptions,
  ): Promise<Float32Array>;
}
