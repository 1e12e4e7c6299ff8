import type { Span } from './span.js';
import type { LayerRange } from './chunk-kv.js';

/** What a run through the layers returns beside the cells it writes. Nothing unasked is computed. */
export interface LayerOutputs {
  /** Attention of rows over the entries of their sequence. */
  readonly attention?: AttentionRequest;
  /**
   * Layers at which the fresh keys and values of refreshed rows are compared with what their cells held
   * before (CacheBlend's deviation).
   */
  readonly deviation?: readonly number[];
  /** Residual stream after layers. */
  readonly hidden?: HiddenRequest;
  /** How much refreshed rows differ from what their cells held before, on average over spans. */
  readonly change?: ChangeRequest;
}

export interface ForwardOutputs extends LayerOutputs {
  /**
   * Rows whose logits are wanted: `last` (default) the last row of each append group, `all`, `none`, or row
   * numbers. Rows are numbered through the groups in the order given.
   */
  readonly logits?: 'last' | 'all' | 'none' | Int32Array;
  /** Negative log-likelihood, in nats, of each appended row's successor in its group. */
  readonly losses?: boolean;
}

export interface AttentionRequest {
  /** Ascending layer numbers; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** Keep layers apart instead of summing over them; default false. */
  readonly perLayer?: boolean;
  /** Groups whose rows ask, by number; default all append groups. */
  readonly groups?: readonly number[];
  /** Spans of the asking group's sequence whose mass is wanted for each row. */
  readonly spans?: readonly Span[];
}

export interface ChangeRequest {
  /** A group of refreshed rows, by number. */
  readonly group: number;
  /** Spans of entries of its sequence, in order, without overlap. */
  readonly spans: readonly Span[];
}

/** Attention mass of one group: softmax weights summed over heads (and layers, unless kept apart). */
export interface GroupAttention {
  /** Number of the group in the batch. */
  readonly group: number;
  readonly layers: readonly number[];
  /**
   * Summed over the group's rows: `[entries]`, or `[layers][entries]` when kept apart, over all entries of
   * the sequence, the group's own included.
   */
  readonly byEntry: Float32Array;
  /** `[rows][spans]`, or `[layers][rows][spans]`; present when spans were asked for. */
  readonly bySpan?: Float32Array;
}

export interface HiddenRequest {
  /** Layers after which the residual stream is wanted, ascending. */
  readonly layers: readonly number[];
  /** Mean over these spans of row numbers, instead of every row. */
  readonly pool?: readonly Span[];
}

export interface LayerResult {
  /** One for each asking group, in order. */
  readonly attention?: readonly GroupAttention[];
  readonly deviation?: DeviationResult;
  readonly hidden?: HiddenResult;
  readonly change?: ChangeResult;
}

export interface ForwardResult extends LayerResult {
  readonly logits?: LogitsResult;
  /** `[rows]`; NaN for rows without a successor in their group. */
  readonly losses?: Float32Array;
}

export interface LogitsResult {
  /** Row numbers, ascending. */
  readonly rows: Int32Array;
  /** `[rows][vocabSize]`. */
  readonly values: Float32Array;
}

/**
 * Squared L2 distance, over all heads, between what was computed and what the cell held: `[layers][rows]`
 * over the live rows, ascending, NaN for appended rows. Keys are compared un-rotated.
 */
export interface DeviationResult {
  readonly layers: readonly number[];
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** What was computed minus what the cell held, keys un-rotated; zero for spans of which no row was computed. */
export interface ChangeResult {
  /** Those that the call computed. */
  readonly layers: LayerRange;
  /** `[spans]`: live rows of each. */
  readonly rows: Int32Array;
  /** `[layers][spans][keyWidth]` and `[layers][spans][valueWidth]`: means over rows. */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** `[layers][rows or spans][width]`; rows are the live ones, ascending. */
export interface HiddenResult {
  readonly layers: readonly number[];
  readonly values: Float32Array;
}
