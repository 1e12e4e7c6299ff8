import type { Span } from './span.js';
import type { AttentionRequest, ForwardOutputs, ForwardResult, GroupAttention } from './forward.js';
import type { ChunkKv, LayerRange } from './chunk-kv.js';
import type { LayerPass } from './pass.js';

/**
 * Cells of keys and values. A cell holds one token at one position and belongs to any number of sequences.
 * What a token attends to follows from positions alone: the cells of its own sequence at or before its own
 * position (within the window, in sliding-window layers), wherever they lie and in whatever order they were
 * written.
 */
export interface KvArena extends AsyncDisposable {
  readonly cells: number;
  /** Cells that belong to no sequence. */
  readonly free: number;
  createSequence(): KvSequence;
  /** Runs rows of one or several sequences through all layers in one batch. */
  forward(
    groups: readonly RowGroup[],
    options?: ForwardOutputs & RunOptions,
  ): Promise<ForwardResult>;
  /** Like {@link forward}, but the caller steps through the layers. */
  begin(groups: readonly RowGroup[], options?: RunOptions): Promise<LayerPass>;
  dispose(): Promise<void>;
}

/** Rows of a batch: new tokens at the end of a sequence, or entries of it that are computed again. */
export type RowGroup = AppendRows | RefreshRows;

export interface AppendRows {
  readonly kind: 'append';
  readonly sequence: KvSequence;
  readonly tokens: Int32Array;
  /** Default: the positions after the highest one of the sequence. */
  readonly positions?: Int32Array;
}

export interface RefreshRows {
  readonly kind: 'refresh';
  readonly sequence: KvSequence;
  /** Entry numbers, each at most once. */
  readonly entries: Int32Array;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Called after each native compute with the share of the work that is done, in [0, 1]. */
  readonly onProgress?: (share: number) => void;
}

/**
 * An ordered list of entries (token, position, cell). Entry numbers run from 0 to `length - 1`; a position
 * is what RoPE and the mask see, and need not equal the entry's number.
 *
 * Calls on one sequence are run in the order in which they were made. A call that fails changes nothing,
 * save that an interrupted write leaves its cells stale. Writing to a cell that another sequence shares
 * copies it first, so no sequence sees another's change.
 */
export interface KvSequence extends Disposable {
  readonly arena: KvArena;
  readonly length: number;
  /** Token ids of the entries (a copy). */
  readonly tokens: Int32Array;
  /** Positions of the entries (a copy). */
  readonly positions: Int32Array;

  /** A new sequence over the entries `[0, end)`, sharing their cells. Default: all entries. */
  fork(end?: number): KvSequence;
  /** Appends a span of another sequence of the same arena, sharing its cells, at its positions. */
  adopt(other: KvSequence, span: Span): Span;

  /** Appends tokens and computes them: prefill and decode. */
  append(tokens: Int32Array, options?: AppendOptions): Promise<ForwardResult>;
  /** Computes entries again at their positions, in one sparse pass, in place. */
  refresh(
    entries: Int32Array | Span,
    options?: ForwardOutputs & RunOptions,
  ): Promise<ForwardResult>;
  /**
   * Attention of `tokens`, as if they were appended, over the entries of this sequence. Runs only up to the
   * last layer asked for; nothing of it stays.
   */
  probe(tokens: Int32Array, options?: AttentionRequest & RunOptions): Promise<GroupAttention>;

  /** Copies keys (un-rotated) and values of a span out of the arena. */
  capture(span: Span, options?: RunOptions & { readonly layers?: LayerRange }): Promise<ChunkKv>;
  /**
   * Appends chunk KV at `options.position` (default: after the highest position), keys rotated to their
   * place. KV that holds only some layers leaves the entries stale above them until {@link load} is called;
   * layers are loaded from 0 upwards.
   * @throws KvMismatchError when it was made by another model or its bytes do not fit its shape.
   */
  splice(kv: ChunkKv, options?: RunOptions & { readonly position?: number }): Promise<Span>;
  /** Loads the layers that `kv` holds into entries that {@link splice} made. */
  load(span: Span, kv: ChunkKv, options?: RunOptions): Promise<void>;
  /** Adds a correction to the un-rotated keys and to the values of a span, or of entries, each named once. */
  correct(target: Span | Int32Array, correction: KvCorrection, options?: RunOptions): Promise<void>;

  /** Moves a span by `by` positions, rotating its keys by the difference. */
  move(span: Span, by: number, options?: RunOptions): Promise<void>;
  /**
   * Removes a span. With `close` (default true) what follows moves up by the positions that became free.
   * What follows still holds what it saw of the dropped text, until it is refreshed.
   */
  drop(span: Span, options?: RunOptions & { readonly close?: boolean }): Promise<void>;
  /**
   * Puts `tokens` in place of a span (which may be empty: an insertion), moves what follows by the change of
   * length and computes the new tokens. What follows is not refreshed.
   * @returns the span of the new tokens.
   */
  replace(span: Span, tokens: Int32Array, options?: RunOptions): Promise<Span>;
  /** Gives the cells back. A running pass keeps those that it uses until it ends. */
  dispose(): void;
}

/** Where appended tokens stand (default: after the last), and what is wanted of them. */
export interface AppendOptions extends ForwardOutputs, RunOptions {
  readonly positions?: Int32Array;
}

/** What is added to every token of a span, or to entries, layer by layer. */
export interface KvCorrection {
  readonly layers: LayerRange;
  /** `[layers][keyWidth]`, `[layers][tokens][keyWidth]` or, with {@link of}, `[layers][vectors][keyWidth]`, un-rotated. */
  readonly keys?: Float32Array;
  /** Likewise with `valueWidth`. */
  readonly values?: Float32Array;
  /** `[tokens]`: which of the vectors each token gets. Default: one vector for all, or one for each. */
  readonly of?: Int32Array;
}
