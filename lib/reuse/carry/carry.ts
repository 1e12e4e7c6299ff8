import type { ChunkKv } from '../../engine/chunk-kv.js';
import type { KvCorrection } from '../../engine/arena.js';

/**
 * Guesses from the tokens of a passage that were computed again how the KV of the others would have changed, before
 * the question looks at it.
 */
export interface Carry {
  /** How, in a few words. */
  readonly reason: string;
  /** Undefined where a passage is to be left as it is. */
  correct(view: CarryView): KvCorrection | undefined;
}

/** One passage, before and after some of its tokens were computed again. */
export interface CarryView {
  readonly before: ChunkKv;
  readonly after: ChunkKv;
  /** Numbers of the tokens that were computed again through all layers, ascending. */
  readonly refreshed: Int32Array;
}
