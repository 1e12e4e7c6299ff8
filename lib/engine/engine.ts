import type { KvArena } from './arena.js';
import type { ChatFormat } from './chat.js';
import type { DeviceInfo } from './device.js';
import type { ModelInfo } from './model-info.js';
import type { Sampler, SamplingOptions } from './sampling.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * A loaded model that computes over cells of keys and values. Calls may be made at any time and in any
 * number: graph computes are queued and run one at a time, callers taking turns, never on the event loop.
 *
 * After an error or an abort the engine is usable; cells of an interrupted write are stale until written
 * again (see {@link StaleCellError}).
 */
export interface KvEngine extends AsyncDisposable {
  readonly model: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly chat: ChatFormat;
  readonly device: DeviceInfo;

  /**
   * Allocates cells for `options.cells` tokens (rounded up to a multiple of 256).
   * @throws OutOfMemoryError when the device has no room.
   */
  createArena(options: ArenaOptions): Promise<KvArena>;
  /** @throws SamplingError for a grammar that does not parse or options out of range. */
  createSampler(options?: SamplingOptions): Promise<Sampler>;
  /** Waits for what runs, then frees model and arenas. Further calls throw {@link DisposedError}. */
  dispose(): Promise<void>;
}

export interface ArenaOptions {
  /** How many tokens can be held at once. */
  readonly cells: number;
}
