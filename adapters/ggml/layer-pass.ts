import { DisposedError, InvalidArgumentError } from '../../lib/errors.js';
import type { RowGroup, RunOptions } from '../../lib/engine/arena.js';
import type {
  ForwardOutputs,
  ForwardResult,
  LayerOutputs,
  LayerResult,
} from '../../lib/engine/forward.js';
import type { LayerPass } from '../../lib/engine/pass.js';
import type { Turn } from './compute-queue.js';
import type { GgmlArena } from './arena.js';
import { CELL_STEP } from './cells.js';
import { headRequest } from './head-request.js';
import { inComputeOrder, lastPosition, layOut, sequenceNumbers } from './lay-out.js';
import { Lock } from './lock.js';
import { fillMask, orderVisible, reachOf, type Seeing, type Visible } from './mask.js';
import { HEAD_ROWS, PIECE_ROWS } from './model.js';
import { Collector, type HeadRequest } from './collector.js';
import { Residual } from './residual.js';
import { attentionRows, type PieceData, RowProgram } from './row-program.js';
import { checkGroups, joiningRows, type Rows } from './rows.js';
import type { GgmlSequence } from './sequence.js';
import { assertReady } from './visibility.js';

interface PassKind {
  /** The pass is given up after one advance, for what it measures on the way. */
  readonly probing?: boolean;
}

/** A run of some rows through the layers, in pieces of rows and groups of layers. */
export class GgmlPass implements LayerPass {
  readonly #arena: GgmlArena;
  readonly #rows: Rows;
  readonly #probing: boolean;
  /** Live row numbers, sequence by sequence and by position: a row is computed after all that it sees. */
  #order: Int32Array;
  #next = 0;
  readonly #visible: readonly Visible[];
  readonly #lock = new Lock();
  readonly #onProgress: ((share: number) => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  #residual: Residual | undefined;
  #state: 'open' | 'failed' | 'done' | 'disposed' = 'open';

  /** Takes cells for appended rows and copies shared ones; the caller holds the sequences' locks. */
  static async begin(
    arena: GgmlArena,
    groups: readonly RowGroup[],
    options: RunOptions & PassKind,
  ): Promise<GgmlPass> {
    options.signal?.throwIfAborted();
    checkGroups(arena, groups);
    const { table } = arena;
    const taken: Int32Array[] = [];
    try {
      for (const group of groups) {
        const sequence = group.sequence as GgmlSequence;
        if (group.kind === 'refresh') await sequence.unshare(group.entries);
        else taken.push(table.take(group.tokens.length));
      }
      return new GgmlPass(arena, layOut(arena, groups, taken), options);
    } catch (error) {
      for (const cells of taken) table.release(cells);
      throw error;
    }
  }

  private constructor(arena: GgmlArena, rows: Rows, options: RunOptions & PassKind) {
    this.#probing = options.probing ?? false;
    this.#arena = arena;
    this.#rows = rows;
    this.#onProgress = options.onProgress;
    this.#signal = options.signal;
    this.#order = inComputeOrder(rows);
    const { table } = arena;
    for (const cell of rows.cells) {
      table.writing[cell] = 1;
      table.loaded[cell] = table.ready[cell] as number;
    }
    this.#visible = rows.groups.map((group) => {
      const { positions, cells } = group.sequence.state;
      // All groups of one sequence see each other.
      const joining = joiningRows(rows, group.sequence);
      return orderVisible(positions, cells, {
        positions: joining.map((row) => rows.positions[row] as number),
        cells: joining.map((row) => rows.cells[row] as number),
      });
    });
    for (const sequence of new Set(rows.groups.map((group) => group.sequence))) sequence.openPass();
  }

  get nextLayer(): number {
    return this.#next;
  }

  get rows(): Int32Array {
    return Int32Array.from(this.#order).sort();
  }

  async advance(
    to: number,
    options: LayerOutputs & { readonly signal?: AbortSignal } = {},
  ): Promise<LayerResult> {
    return this.#step(async () => {
      const { layers } = this.#arena.model.hp;
      if (!Number.isInteger(to) || to <= this.#next || to > layers) {
        throw new InvalidArgumentError(
          `A pass advances to a layer from ${this.#next + 1} to ${layers}, not ${to}.`,
        );
      }
      const collector = new Collector(
        this.#arena.model,
        this.#rows,
        this.#order,
        options,
        undefined,
      );
      collector.checkLayers(this.#next, to);
      const signal = options.signal ?? this.#signal;
      signal?.throwIfAborted();
      this.#checkVisible(to);
      await this.#guarded(async () => {
        await this.#runUpTo(to, collector, signal);
        await this.#run(to, collector, !this.#probing, signal);
      });
      return collector.layerResult();
    });
  }

  keep(rows: Int32Array): void {
    this.#assertOpen();
    const wanted = new Set(rows);
    if (wanted.size !== rows.length) throw new InvalidArgumentError('A row is named twice.');
    const live = new Set(this.#order);
    for (const row of wanted) {
      if (!live.has(row)) throw new InvalidArgumentError(`Row ${row} is not among the live rows.`);
    }
    for (const group of this.#rows.groups) {
      if (group.kind !== 'append') continue;
      for (let row = group.start; row < group.start + group.count; row++) {
        if (!wanted.has(row))
          throw new InvalidArgumentError(`Row ${row} is appended and must stay.`);
      }
    }
    for (const row of this.#order) {
      if (wanted.has(row)) continue;
      const cell = this.#rows.cells[row] as number;
      this.#unwrite(cell, this.#next);
    }
    this.#order = this.#order.filter((row) => wanted.has(row));
  }

  async finish(
    options: ForwardOutputs & { readonly signal?: AbortSignal } = {},
  ): Promise<ForwardResult> {
    return this.#step(async () => {
      const { model } = this.#arena;
      const { layers } = model.hp;
      const signal = options.signal ?? this.#signal;
      const head = headRequest(this.#rows, options, this.#order);
      const collector = new Collector(model, this.#rows, this.#order, options, head);
      collector.checkLayers(this.#next, layers);
      signal?.throwIfAborted();
      this.#checkVisible(layers);
      await this.#guarded(async () => {
        // Many rows of logits are too large for one graph: the rows rest, and go through the head in slices.
        const slices = head !== undefined && head.rows.length > HEAD_ROWS;
        if (this.#next < layers) {
          await this.#runUpTo(layers, collector, signal);
          await this.#run(layers, collector, slices, signal, slices ? undefined : head);
          if (slices) await this.#runHead(head, collector, signal);
        } else if (head) {
          await this.#runHead(head, collector, signal);
        }
      });
      this.#commit();
      return collector.forwardResult();
    });
  }

  /** Computes groups of layers until one is left before `to`: where a compute cannot be aborted, they can. */
  async #runUpTo(to: number, collector: Collector, signal: AbortSignal | undefined): Promise<void> {
    const step = this.#arena.model.layersPerCompute;
    while (this.#next + step < to) {
      await this.#run(this.#next + step, collector, true, signal);
    }
  }

  get #turn(): Turn {
    const { groups } = this.#rows;
    const isStep = groups.every(({ kind, count }) => kind === 'append' && count === 1);
    return isStep ? 'step' : 'prompt';
  }

  /** Computes the live rows from the next layer up to `to`, piece by piece. */
  async #run(
    to: number,
    collector: Collector,
    store: boolean,
    signal: AbortSignal | undefined,
    head?: HeadRequest,
  ): Promise<void> {
    const { model, table } = this.#arena;
    const from = this.#next;
    const order = this.#order;
    for (const row of order) {
      const cell = this.#rows.cells[row] as number;
      table.ready[cell] = Math.min(table.ready[cell] as number, from);
    }
    if (store && order.length > 0) await this.#ensureResidual();
    for (let start = 0; start < order.length; start += PIECE_ROWS) {
      const piece = order.subarray(start, Math.min(order.length, start + PIECE_ROWS));
      await model.queue.run(
        () => this.#runPiece(piece, from, to, collector, store, signal, head),
        this.#turn,
      );
      const share = (start + piece.length) / order.length;
      this.#onProgress?.((from + (to - from) * share) / model.hp.layers);
    }
    this.#next = to;
    for (const row of order) table.ready[this.#rows.cells[row] as number] = to;
  }

  /** Refuses to look at cells that are not valid in the layers below `to`. */
  #checkVisible(to: number): void {
    const writing = new Set<number>();
    for (const row of this.#order) writing.add(this.#rows.cells[row] as number);
    for (const group of this.#rows.groups) {
      const last = lastPosition(group, this.#rows, this.#order);
      if (last >= 0) assertReady(this.#arena.table, group.sequence.state, last, to, writing);
    }
  }

  async #runPiece(
    piece: Int32Array,
    from: number,
    to: number,
    collector: Collector,
    store: boolean,
    signal: AbortSignal | undefined,
    head: HeadRequest | undefined,
  ): Promise<void> {
    const arena = this.#arena;
    const { model } = arena;
    signal?.throwIfAborted();
    const rows = this.#rows;
    const seeing = this.#seeing(piece);
    const span = Math.ceil(reachOf(seeing) / CELL_STEP) * CELL_STEP;
    const plan = collector.planPiece(piece, from, to, span, head);
    const embedded = from === 0 && model.embed !== undefined;
    const program = new RowProgram(
      model.backend,
      model,
      arena.layers,
      {
        rows: piece.length,
        span,
        from,
        to,
        residual: this.#residual?.tensor,
        store,
        embedded,
        probing: this.#probing,
        ...plan.spec,
      },
      model.scratch,
    );
    try {
      const tokens = piece.map((row) => rows.tokens[row] as number);
      const masks = this.#masks({ ...seeing, span }, from, to);
      const data: PieceData = {
        positions: seeing.positions,
        cells: piece.map((row) => rows.cells[row] as number),
        live: piece,
        ...masks,
        ...(embedded
          ? { embeddings: await (model.embed as NonNullable<typeof model.embed>)(tokens) }
          : { tokens }),
        ...plan.data,
      };
      plan.collect(await program.run(data, signal));
    } finally {
      program.free();
    }
  }

  /** Where a piece's rows stand, and what their sequences hold. */
  #seeing(piece: Int32Array): Seeing {
    const rows = this.#rows;
    const sequence = sequenceNumbers(rows);
    return {
      positions: piece.map((row) => rows.positions[row] as number),
      groups: Array.from(piece, (row) => sequence[rows.group[row] as number] as number),
      visible: this.#visible,
    };
  }

  #masks(
    common: Seeing & { readonly span: number },
    from: number,
    to: number,
  ): {
    mask: Uint16Array;
    slidingMask?: Uint16Array;
  } {
    const { hp, backend } = this.#arena.model;
    const { positions, span } = common;
    const size = attentionRows(positions.length, backend, this.#probing) * span;
    const layers = hp.slidingLayers.slice(from, to);
    const mask = new Uint16Array(layers.includes(false) ? size : 0);
    if (mask.length) fillMask({ ...common, mask, window: 0 });
    if (!layers.includes(true)) return { mask };
    const slidingMask = new Uint16Array(size);
    fillMask({ ...common, mask: slidingMask, window: hp.window });
    return { mask, slidingMask };
  }

  /** Sends resting rows through the output head. */
  async #runHead(
    head: HeadRequest,
    collector: Collector,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { model, layers } = this.#arena;
    for (let start = 0; start < head.rows.length; start += HEAD_ROWS) {
      const piece = head.rows.subarray(start, Math.min(head.rows.length, start + HEAD_ROWS));
      await model.queue.run(async () => {
        const program = new RowProgram(
          model.backend,
          model,
          layers,
          {
            rows: piece.length,
            span: CELL_STEP,
            from: model.hp.layers,
            to: model.hp.layers,
            residual: this.#residual?.tensor,
            store: false,
            embedded: false,
            head: { rows: undefined, logits: head.logits, targets: head.losses },
            probes: [],
            hidden: [],
          },
          model.scratch,
        );
        try {
          const result = await program.run(
            {
              positions: piece,
              cells: piece,
              mask: new Uint16Array(0),
              live: piece,
              targets: collector.targetsOf(piece),
            },
            signal,
          );
          collector.collectHead(piece, result);
        } finally {
          program.free();
        }
      }, this.#turn);
    }
  }

  /** Where rows rest between two groups of layers. */
  async #ensureResidual(): Promise<void> {
    this.#residual ??= await Residual.create(this.#arena.model, this.#rows.count);
  }

  /** The pass leaves a cell alone: above `layer` it is valid as far as it was loaded. */
  #unwrite(cell: number, layer: number): void {
    const { table } = this.#arena;
    table.writing[cell] = 0;
    table.ready[cell] = Math.max(layer, table.loaded[cell] as number);
  }

  /** Runs one call on the pass at a time, and keeps the arena while it runs. */
  async #step<T>(task: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    return this.#arena.count(() =>
      this.#lock.run(() => {
        this.#assertOpen();
        return task();
      }),
    );
  }

  /** Runs a step; a failure closes the pass and leaves the cells that it was writing stale. */
  async #guarded(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#state = 'failed';
      await this.#close();
      throw error;
    }
  }

  #commit(): void {
    const rows = this.#rows;
    for (const group of rows.groups) {
      if (group.kind !== 'append') continue;
      const end = group.start + group.count;
      group.sequence.join(
        rows.tokens.slice(group.start, end),
        rows.positions.slice(group.start, end),
        rows.cells.slice(group.start, end),
      );
    }
    this.#state = 'done';
    void this.#close();
  }

  #assertOpen(): void {
    if (this.#state === 'done' || this.#state === 'disposed') throw new DisposedError('pass');
    if (this.#state === 'failed') {
      throw new InvalidArgumentError('The pass failed before. Begin a new one.');
    }
  }

  #closed: Promise<void> | undefined;

  #close(): Promise<void> {
    this.#closed ??= (async () => {
      const { table } = this.#arena;
      for (const row of this.#order) {
        const cell = this.#rows.cells[row] as number;
        // Untouched, the cell holds what it held; else it is valid as far as the pass came.
        if (this.#next === 0 && this.#state === 'disposed') this.#unwrite(cell, 0);
        else table.writing[cell] = 0;
      }
      for (const group of this.#rows.groups) {
        if (group.kind === 'append' && this.#state !== 'done') {
          table.release(this.#rows.cells.slice(group.start, group.start + group.count));
        }
      }
      for (const sequence of new Set(this.#rows.groups.map((group) => group.sequence))) {
        sequence.closePass();
      }
      this.#arena.forget(this);
      this.#residual?.free();
      this.#residual = undefined;
    })();
    return this.#closed;
  }

  dispose(): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#state === 'open') this.#state = 'disposed';
      await this.#close();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
