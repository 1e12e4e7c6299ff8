import { passSegments } from '../../chunkers/single-pass.js';
import type { OnChunkingNotice } from '../../chunkers/model/notice.js';
import { InvalidArgumentError } from '../../errors.js';
import type { PassVectorsMode } from './pass-vectors.js';

/** How documents are cut and encoded in one pass of the model; see {@link singlePassChunker}. */
export interface SinglePassMode {
  /** Most tokens of a passage, at least 4; default 300. */
  readonly maxTokens?: number;
  /** Neighbours are joined while they have at most so many tokens together; default two thirds of `maxTokens`. */
  readonly targetTokens?: number;
  /** By how many nats a token the loss of a sentence must be below that of a neighbour; default 0. */
  readonly threshold?: number;
  /**
   * Most tokens of a segment, two thirds of it on average, default 1,792, and of the text before it that it sees, default 128;
   * less of both where there is less room.
   */
  readonly segments?: { readonly maxTokens?: number; readonly overlap?: number };
  /**
   * Passages are searched by vectors of the language model as well as by their words, which the pass makes beside their keys and
   * values: no embedder is loaded, and no text embedded a second time. A question is embedded by the same model in a short pass of
   * its own. In place of a `retriever` and an `embedder`. Default none: an embedding model finds far more (docs/chunkers.md has
   * numbers).
   */
  readonly vectors?: true | PassVectorsMode;
  /** Told of parts of documents that could not be computed: they are cut by their structure, and have no keys and values yet. */
  readonly onNotice?: OnChunkingNotice;
}

export interface PassSizes {
  readonly maxTokens: number;
  readonly segments: { readonly maxTokens: number; readonly overlap: number };
}

/**
 * Sizes that fit into `room` tokens beside the prefix.
 * @throws InvalidArgumentError where not even a passage does.
 */
export function passSizes({ maxTokens = 300, segments }: SinglePassMode, room: number): PassSizes {
  const wanted = { ...passSegments, ...segments };
  const overlap = Math.min(wanted.overlap, room >> 2);
  const most = Math.min(wanted.maxTokens, room - overlap);
  if (most < maxTokens) {
    throw new InvalidArgumentError(
      `singlePass: a segment of ${most} tokens cannot hold passages of ${maxTokens}; give more cells, or smaller passages.`,
    );
  }
  return { maxTokens, segments: { maxTokens: most, overlap } };
}
