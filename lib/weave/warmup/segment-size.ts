import type { SegmentOptions } from '../../encode/segments.js';

/** Most tokens of a segment without its overlap, where there is room for them. */
const mostTokens = 2048;
/** Tokens of the document that a segment's first passage sees. */
const fullOverlap = 256;

/**
 * How documents are divided where `room` tokens fit beside the canonical prefix: segments of up to 2,048 tokens that
 * overlap by 256, or less of both where there is less room than for one of them. Two weaves of the same tokens
 * divide a document alike, and so share its KV, when both have room for 2,304 tokens, or the same room.
 */
export function segmentSize(room: number): Required<Pick<SegmentOptions, 'maxTokens' | 'overlap'>> {
  const overlap = Math.min(fullOverlap, room >> 2);
  return { maxTokens: Math.max(1, Math.min(mostTokens, room - overlap)), overlap };
}
