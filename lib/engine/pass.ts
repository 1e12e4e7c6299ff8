import type { ForwardOutputs, ForwardResult, LayerOutputs, LayerResult } from './forward.js';

/**
 * A run through the layers that the caller steps: load a layer group's KV while the one before it computes,
 * look at deviations or attention, drop rows that need no more work, go on. Other callers' computes may run
 * between two steps. Cells that its rows write are valid up to the layer that the pass reached.
 */
export interface LayerPass extends AsyncDisposable {
  /** The next layer to be computed; the model's number of layers when all are done. */
  readonly nextLayer: number;
  /** Row numbers, in batch order, that are still computed. */
  readonly rows: Int32Array;
  /**
   * Computes the live rows in the layers from {@link nextLayer} up to `to` (excluded). Requests name layers
   * in that range only.
   */
  advance(
    to: number,
    options?: LayerOutputs & { readonly signal?: AbortSignal },
  ): Promise<LayerResult>;
  /**
   * Only these of the live rows go on: a set of tokens that shrinks with depth. The cells of refreshed rows
   * left out keep what they held in the layers above; appended rows must stay. Where there are none of those, no row
   * need go on.
   */
  keep(rows: Int32Array): void;
  /** Runs the layers that are left, then the output head. Appended rows join their sequences; the pass is over. */
  finish(options?: ForwardOutputs & { readonly signal?: AbortSignal }): Promise<ForwardResult>;
  /** Ends the pass early: appended rows never join their sequences. */
  dispose(): Promise<void>;
}
