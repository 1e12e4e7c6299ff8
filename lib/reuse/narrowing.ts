/**
 * A layer from which on fewer tokens are computed again. Those that are left out keep, from that layer on, the KV that
 * they came with; below it, they have been computed anew.
 */
export interface Narrowing {
  /** The first layer in which those left out are not computed; at least 1. */
  readonly layer: number;
  /** Compare the fresh keys and values of the layer below with what was cached; default false. */
  readonly deviation?: boolean;
  /** Measure the attention of the question in the layer below; default false. */
  readonly attention?: boolean;
  /** Which ones go on, in a few words. */
  readonly reason: string;
  /** For each passage the tokens that go on: some of {@link NarrowingView.live}, in any order. */
  keep(view: NarrowingView): readonly Int32Array[];
}

/** What is seen before a narrowing; every list has one item a passage. */
export interface NarrowingView {
  readonly layer: number;
  /** Tokens that are still computed, ascending. */
  readonly live: readonly Int32Array[];
  readonly deviation?: Deviation;
  /** `[tokens]` of each passage: mass summed over heads and the question's tokens. */
  readonly attention?: readonly Float32Array[];
}

/** Squared L2 distances over all heads, one for each live token: `[live tokens]`. Keys are compared un-rotated. */
export interface Deviation {
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
}
