import type { SegmentOptions } from '../../encode/segments.js';
import type { DocumentWarmup } from './warmup.js';

/**
 * How documents are divided where `room` tokens fit beside the canonical prefix: as wanted, or segments and overlaps that
 * are shorter where there is less room than for one of them. Two weaves of the same tokens that want the same divide a
 * document alike, and so share its KV, when both have room for a segment and its overlap, or the same room.
 */
export function segmentSize(
  room: number,
  { segmentTokens, overlap: wanted }: Required<DocumentWarmup['document']>,
): Required<Pick<SegmentOptions, 'maxTokens' | 'overlap'>> {
  const overlap = Math.min(wanted, room >> 2);
  return { maxTokens: Math.max(1, Math.min(segmentTokens, room - overlap)), overlap };
}
