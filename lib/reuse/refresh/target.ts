import type { KvSequence } from '../../engine/arena.js';
import type { Span } from '../../engine/span.js';
import type { ModelInfo } from '../../engine/model-info.js';
import type { PassageView } from '../policy.js';

/** A prompt without its question, in place: cached passages after a prefix, to be repaired and asked. */
export interface RefreshTarget {
  readonly model: ModelInfo;
  /** Holds prefix and passages. */
  readonly sequence: KvSequence;
  /** Entries of each passage, in order. */
  readonly spans: readonly Span[];
  readonly passages: readonly PassageView[];
  /** What follows the passages: the question and the end of the frame. */
  readonly question: Int32Array;
  /** {@link PolicyInput.msPerToken}. */
  readonly msPerToken?: number;
  /** What else of the prompt is computed with the question: the question as it stands before or between passages. */
  readonly earlier?: EarlierTokens;
}

export interface EarlierTokens {
  readonly tokens: Int32Array;
  /** Of each, all before that of the question's first token. */
  readonly positions: Int32Array;
}
