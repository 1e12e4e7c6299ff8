import type { KvSequence } from '../../engine/arena.js';

/** What passages are encoded after: the canonical prefix, or prefix and warm-up text. */
export interface EncodingBase {
  /** Tokens. */
  readonly length: number;
  /** To be forked, not changed. Computed for the first who needs it. */
  use(signal?: AbortSignal): Promise<{ readonly sequence: KvSequence }>;
}
