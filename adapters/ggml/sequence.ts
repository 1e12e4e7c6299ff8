import { DisposedError, InvalidArgumentError, KvMismatchError } from '../../lib/errors.js';
import type {
  AppendOptions,
  KvCorrection,
  KvSequence,
  RunOptions,
} from '../../lib/engine/arena.js';
import type { Span } from '../../lib/engine/span.js';
import type { ChunkKv, LayerRange } from '../../lib/engine/chunk-kv.js';
import type {
  AttentionRequest,
  ForwardOutputs,
  ForwardResult,
  GroupAttention,
} from '../../lib/engine/forward.js';
import type { GgmlArena } from './arena.js';
import {
  captureSpan,
  checkCorrection,
  checkKv,
  copyCells,
  correctEntries,
  loadKv,
  rotateCells,
} from './cell-io.js';
import { Lock } from './lock.js';
import { checkEntries, checkReach, checkSpan, checkTokens } from './rows.js';

/** An ordered list of entries over an arena's cells. */
export class GgmlSequence implements KvSequence {
  readonly arena: GgmlArena;
  readonly id: number;
  /** Held by whatever changes this sequence. */
  readonly lock = new Lock();
  #tokens: Int32Array;
  #positions: Int32Array;
  #cells: Int32Array;
  #length = 0;
  #passes = 0;
  #disposed = false;
  #released = false;

  constructor(
    arena: GgmlArena,
    id: number,
    from?: { tokens: Int32Array; positions: Int32Array; cells: Int32Array },
  ) {
    this.arena = arena;
    this.id = id;
    this.#tokens = from?.tokens ?? new Int32Array(256);
    this.#positions = from?.positions ?? new Int32Array(256);
    this.#cells = from?.cells ?? new Int32Array(256);
    this.#length = from?.cells.length ?? 0;
  }

  get length(): number {
    return this.#length;
  }

  get tokens(): Int32Array {
    return this.#tokens.slice(0, this.#length);
  }

  get positions(): Int32Array {
    return this.#positions.slice(0, this.#length);
  }

  /** Views that stay true until the next change; for the engine itself. */
  get state(): { tokens: Int32Array; positions: Int32Array; cells: Int32Array } {
    return {
      tokens: this.#tokens.subarray(0, this.#length),
      positions: this.#positions.subarray(0, this.#length),
      cells: this.#cells.subarray(0, this.#length),
    };
  }

  /** The position after the highest one. */
  get nextPosition(): number {
    let highest = -1;
    for (let i = 0; i < this.#length; i++) {
      if ((this.#positions[i] as number) > highest) highest = this.#positions[i] as number;
    }
    return highest + 1;
  }

  assertUsable(): void {
    this.arena.assertUsable();
    if (this.#disposed) throw new DisposedError('sequence');
  }

  /** @throws InvalidArgumentError while the caller steps a pass over this sequence. */
  assertNoPass(): void {
    if (this.#passes > 0) {
      throw new InvalidArgumentError(
        'A pass over this sequence is open. Finish or dispose it before the sequence is changed.',
      );
    }
  }

  /** A pass keeps the cells until it ends. */
  openPass(): void {
    this.#passes++;
  }

  closePass(): void {
    this.#passes--;
    this.#releaseIfDone();
  }

  fork(end = this.#length): KvSequence {
    this.assertUsable();
    return this.#forked(end);
  }

  #forked(end: number): GgmlSequence {
    checkSpan({ start: 0, end }, this.#length);
    const cells = this.#cells.slice(0, end);
    this.arena.table.share(cells);
    return this.arena.adoptSequence({
      tokens: this.#tokens.slice(0, end),
      positions: this.#positions.slice(0, end),
      cells,
    });
  }

  adopt(other: KvSequence, span: Span): Span {
    this.assertUsable();
    this.assertNoPass();
    if (!(other instanceof GgmlSequence) || other.arena !== this.arena) {
      throw new InvalidArgumentError('Entries can be shared within one arena only.');
    }
    other.assertUsable();
    checkSpan(span, other.length);
    // Attention would count a cell that stands for two entries once.
    const held = new Set(this.#cells.subarray(0, this.#length));
    if (other.#cells.subarray(span.start, span.end).some((cell) => held.has(cell))) {
      throw new InvalidArgumentError('The sequence already holds entries of this span.');
    }
    return this.#joinShared(other, range(span));
  }

  /** Appends entries of another sequence, sharing their cells. */
  #joinShared(other: GgmlSequence, entries: Int32Array): Span {
    const cells = entries.map((entry) => other.#cells[entry] as number);
    this.arena.table.share(cells);
    return this.join(
      entries.map((entry) => other.#tokens[entry] as number),
      entries.map((entry) => other.#positions[entry] as number),
      cells,
    );
  }

  async append(tokens: Int32Array, options: AppendOptions = {}): Promise<ForwardResult> {
    const { positions, ...rest } = options;
    return this.arena.forward(
      [{ kind: 'append', sequence: this, tokens, ...(positions && { positions }) }],
      rest,
    );
  }

  async refresh(
    entries: Int32Array | Span,
    options: ForwardOutputs & RunOptions = {},
  ): Promise<ForwardResult> {
    this.assertUsable();
    return this.arena.forward(
      [{ kind: 'refresh', sequence: this, entries: listed(entries, this.arena.cells) }],
      {
        logits: 'none',
        ...options,
      },
    );
  }

  async probe(
    tokens: Int32Array,
    options: AttentionRequest & RunOptions = {},
  ): Promise<GroupAttention> {
    const { signal, onProgress: _, ...request } = options;
    return this.arena.probe(this, tokens, request, signal);
  }

  async capture(
    span: Span,
    options: RunOptions & { readonly layers?: LayerRange } = {},
  ): Promise<ChunkKv> {
    return this.#call(options, async () => {
      checkSpan(span, this.#length);
      return captureSpan(this, span, options);
    });
  }

  async splice(
    kv: ChunkKv,
    options: RunOptions & { readonly position?: number } = {},
  ): Promise<Span> {
    return this.#change(options, async () => {
      checkKv(this.arena, kv);
      if (kv.layers.from !== 0) {
        throw new InvalidArgumentError(
          'Chunk KV is spliced from layer 0 upwards; load the rest after.',
        );
      }
      const start = options.position ?? this.nextPosition;
      if (!Number.isInteger(start) || start < 0) {
        throw new InvalidArgumentError(`A position is a whole number from 0, not ${start}.`);
      }
      checkReach(start + kv.tokens.length - 1, this.arena.model.info.contextLength);
      const cells = this.arena.table.take(kv.tokens.length);
      const positions = Int32Array.from(cells, (_, i) => start + i);
      try {
        await loadKv(this.arena, kv, { cells, positions }, options);
      } catch (error) {
        this.arena.table.release(cells);
        throw error;
      }
      return this.join(kv.tokens, positions, cells);
    });
  }

  async load(span: Span, kv: ChunkKv, options: RunOptions = {}): Promise<void> {
    return this.#call(options, async () => {
      checkSpan(span, this.#length);
      checkKv(this.arena, kv);
      const held = this.#tokens.subarray(span.start, span.end);
      if (held.length !== kv.tokens.length || held.some((token, i) => token !== kv.tokens[i])) {
        throw new KvMismatchError('The chunk KV holds other tokens than the span.');
      }
      await this.unshare(range(span));
      await loadKv(
        this.arena,
        kv,
        {
          cells: this.#cells.slice(span.start, span.end),
          positions: this.#positions.slice(span.start, span.end),
        },
        options,
      );
    });
  }

  async correct(
    target: Span | Int32Array,
    correction: KvCorrection,
    options: RunOptions = {},
  ): Promise<void> {
    const own = ArrayBuffer.isView(target) ? target.slice() : { ...target };
    return this.#call(options, async () => {
      const entries = this.#entriesOf(own);
      const checked = checkCorrection(this, entries, correction);
      await this.unshare(entries);
      await correctEntries(this, entries, checked, options);
    });
  }

  #entriesOf(target: Span | Int32Array): Int32Array {
    if (ArrayBuffer.isView(target)) {
      checkEntries(target, this.#length);
      // Numbers of another type would be read as other numbers.
      return Int32Array.from(target);
    }
    checkSpan(target, this.#length);
    return range(target);
  }

  async move(span: Span, by: number, options: RunOptions = {}): Promise<void> {
    return this.#change(options, async () => {
      checkSpan(span, this.#length);
      this.#checkShift(span, by);
      await this.#shift(span, by, options.signal);
    });
  }

  async drop(span: Span, options: RunOptions & { readonly close?: boolean } = {}): Promise<void> {
    return this.#change(options, async () => {
      checkSpan(span, this.#length);
      if (options.close ?? true) {
        const after = { start: span.end, end: this.#length };
        const by = -this.#room(span);
        this.#checkShift(after, by);
        await this.#shift(after, by, options.signal);
      }
      this.#remove(span);
    });
  }

  async replace(span: Span, tokens: Int32Array, options: RunOptions = {}): Promise<Span> {
    const { arena } = this;
    checkTokens(tokens, arena.model.info.vocabSize);
    const own = tokens.slice();
    return this.#change(options, async () => {
      checkSpan(span, this.#length);
      const at =
        span.start < this.#length ? (this.#positions[span.start] as number) : this.nextPosition;
      checkReach(at + own.length - 1, arena.model.info.contextLength);
      const after = { start: span.end, end: this.#length };
      const by = own.length - this.#room(span);
      this.#checkShift(after, by);
      // Whatever its place in the list, what will stand at or before the new tokens is seen by them.
      const last = at + own.length - 1;
      const seen = range(after).filter(
        (entry) => own.length > 0 && (this.#positions[entry] as number) + by <= last,
      );
      const copied = by === 0 ? 0 : this.#sharedIn(after) + seen.length;
      arena.table.assertFree(own.length + copied);
      // The new tokens are computed aside: an abort changes nothing.
      const made = { start: span.start, end: span.start + own.length };
      const positions = Int32Array.from(own, (_, i) => at + i);
      const draft = this.#forked(span.start);
      try {
        if (own.length > 0) {
          const moved = draft.#joinShared(this, seen);
          await draft.#shift(moved, by, options.signal);
          await arena.runLocked([{ kind: 'append', sequence: draft, tokens: own, positions }], {
            logits: 'none',
            ...options,
          });
        }
        await this.#shift(after, by, undefined);
        this.#remove(span);
        const cells = draft.state.cells.slice(draft.length - own.length);
        arena.table.share(cells);
        this.#insert(span.start, own, positions, cells);
      } finally {
        draft.dispose();
      }
      return made;
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // What was called before goes on; the cells go back when it is done.
    if (this.lock.busy) void this.lock.run(() => this.#releaseIfDone());
    else this.#releaseIfDone();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Runs a call when its turn has come. */
  async #call<T>(options: RunOptions, task: () => Promise<T>): Promise<T> {
    this.assertUsable();
    return this.arena.track(() =>
      this.lock.run(() => {
        options.signal?.throwIfAborted();
        return task();
      }),
    );
  }

  /** Likewise, for what changes the list of entries. */
  async #change<T>(options: RunOptions, task: () => Promise<T>): Promise<T> {
    return this.#call(options, () => {
      this.assertNoPass();
      return task();
    });
  }

  /** Takes entries over that were computed or shared. */
  join(tokens: Int32Array, positions: Int32Array, cells: Int32Array): Span {
    const start = this.#length;
    this.#insert(start, tokens, positions, cells);
    return { start, end: this.#length };
  }

  /** Gives shared cells of these entries copies of their own, before they are written. */
  async unshare(entries: Int32Array): Promise<void> {
    const { table } = this.arena;
    const shared = entries.filter((entry) => table.isShared(this.#cells[entry] as number));
    if (shared.length === 0) return;
    const from = shared.map((entry) => this.#cells[entry] as number);
    const to = table.take(shared.length);
    try {
      await copyCells(this.arena, from, to);
    } catch (error) {
      table.release(to);
      throw error;
    }
    shared.forEach((entry, i) => {
      this.#cells[entry] = to[i] as number;
    });
    table.release(from);
  }

  #sharedIn(span: Span): number {
    let count = 0;
    for (let i = span.start; i < span.end; i++) {
      if (this.arena.table.isShared(this.#cells[i] as number)) count++;
    }
    return count;
  }

  /** Positions that a span takes up: up to the entry that follows it. */
  #room(span: Span): number {
    if (span.end === span.start) return 0;
    const first = this.#positions[span.start] as number;
    return span.end < this.#length
      ? (this.#positions[span.end] as number) - first
      : (this.#positions[span.end - 1] as number) + 1 - first;
  }

  #checkShift(span: Span, by: number): void {
    if (!Number.isInteger(by)) {
      throw new InvalidArgumentError(`A distance is a whole number, not ${by}.`);
    }
    for (let i = span.start; i < span.end; i++) {
      const position = (this.#positions[i] as number) + by;
      if (position < 0) {
        throw new InvalidArgumentError(`Moving by ${by} would give entry ${i} a position below 0.`);
      }
      checkReach(position, this.arena.model.info.contextLength);
    }
  }

  async #shift(span: Span, by: number, signal: AbortSignal | undefined): Promise<void> {
    if (by === 0 || span.start === span.end) return;
    await this.unshare(range(span));
    const cells = this.#cells.slice(span.start, span.end);
    await rotateCells(this.arena, cells, new Int32Array(cells.length).fill(by), signal);
    for (let i = span.start; i < span.end; i++) {
      this.#positions[i] = (this.#positions[i] as number) + by;
    }
  }

  #remove(span: Span): void {
    this.arena.table.release(this.#cells.slice(span.start, span.end));
    for (const list of [this.#tokens, this.#positions, this.#cells]) {
      list.copyWithin(span.start, span.end, this.#length);
    }
    this.#length -= span.end - span.start;
  }

  #insert(at: number, tokens: Int32Array, positions: Int32Array, cells: Int32Array): void {
    const length = this.#length + tokens.length;
    if (length > this.#tokens.length) {
      const grow = (list: Int32Array): Int32Array => {
        const larger = new Int32Array(Math.max(length, list.length * 2));
        larger.set(list.subarray(0, this.#length));
        return larger;
      };
      this.#tokens = grow(this.#tokens);
      this.#positions = grow(this.#positions);
      this.#cells = grow(this.#cells);
    }
    const put = (list: Int32Array, items: Int32Array): void => {
      list.copyWithin(at + items.length, at, this.#length);
      list.set(items, at);
    };
    put(this.#tokens, tokens);
    put(this.#positions, positions);
    put(this.#cells, cells);
    this.#length = length;
  }

  #releaseIfDone(): void {
    if (!this.#disposed || this.#released || this.#passes > 0) return;
    this.#released = true;
    this.arena.table.release(this.#cells.slice(0, this.#length));
    this.#length = 0;
  }
}

/** A span's entries as a list; whether the sequence has them all is seen when its turn comes. */
function listed(entries: Int32Array | Span, most: number): Int32Array {
  if (ArrayBuffer.isView(entries)) return entries;
  const { start, end } = entries;
  if (
    !Number.isInteger(start) ||
    !Number.isInteger(end) ||
    start < 0 ||
    end < start ||
    end > most
  ) {
    throw new InvalidArgumentError(`[${start}, ${end}) is no span of entries.`);
  }
  return range(entries);
}

function range(span: Span): Int32Array {
  return Int32Array.from({ length: span.end - span.start }, (_, i) => span.start + i);
}
