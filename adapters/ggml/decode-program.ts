import type { RowGroup, RunOptions } from '../../lib/engine/arena.js';
import type { ForwardOutputs, ForwardResult } from '../../lib/engine/forward.js';
import type { GgmlArena } from './arena.js';
import { CELL_STEP } from './cells.js';
import { Allocator } from './graph.js';
import { fillMask, orderVisible, reachOf } from './mask.js';
import { Residual } from './residual.js';
import { type PieceData, type PieceResult, type PieceSpec, RowProgram } from './row-program.js';
import { checkReach } from './rows.js';
import type { GgmlSequence } from './sequence.js';
import { assertReady } from './visibility.js';

/**
 * The graphs of one appended token, one for each group of layers, kept between decode steps: building them
 * anew would cost a tenth of a small model's step. Each has compute memory of its own, so that other graphs
 * leave its plan alone.
 */
export class DecodeProgram {
  readonly #arena: GgmlArena;
  readonly #allocators: Allocator[] = [];
  #programs: readonly RowProgram[] = [];
  /** Where the token rests between two groups of layers. */
  #residual: Residual | undefined;
  #mask = new Uint16Array(0);
  #slidingMask = new Uint16Array(0);

  constructor(arena: GgmlArena) {
    this.#arena = arena;
  }

  /** Runs the batch when it is one token with nothing but logits wanted; the caller holds the lock. */
  async tryRun(
    groups: readonly RowGroup[],
    options: ForwardOutputs & RunOptions,
  ): Promise<ForwardResult | undefined> {
    const group = groups[0];
    const { model } = this.#arena;
    if (groups.length !== 1 || group?.kind !== 'append' || group.tokens.length !== 1)
      return undefined;
    if (options.attention || options.deviation || options.hidden || options.losses)
      return undefined;
    if (options.logits !== undefined && options.logits !== 'last') return undefined;

    const sequence = group.sequence as GgmlSequence;
    options.signal?.throwIfAborted();
    sequence.assertNoPass();
    const position = group.positions?.[0] ?? sequence.nextPosition;
    checkReach(position, model.info.contextLength);
    const { table } = this.#arena;
    const cells = table.take(1);
    const positions = Int32Array.of(position);
    try {
      const state = sequence.state;
      assertReady(table, state, position, model.hp.layers);
      // One turn for all groups of layers: another token must not come to rest where this one does.
      const values = await model.queue.run(
        () => this.#run(group.tokens, positions, cells, sequence, options.signal),
        'step',
      );
      table.ready[cells[0] as number] = model.hp.layers;
      sequence.join(group.tokens, positions, cells);
      options.onProgress?.(1);
      return { logits: { rows: Int32Array.of(0), values } };
    } catch (error) {
      table.release(cells);
      throw error;
    }
  }

  async #run(
    tokens: Int32Array,
    positions: Int32Array,
    cells: Int32Array,
    sequence: GgmlSequence,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const arena = this.#arena;
    const { model } = arena;
    const state = sequence.state;
    const visible = [orderVisible(state.positions, state.cells, { positions, cells })];
    const seeing = { positions, groups: [0], visible };
    const span = Math.ceil(reachOf(seeing) / CELL_STEP) * CELL_STEP;
    const programs = await this.#programsFor(span);
    const slides = model.hp.window > 0;
    const common = { ...seeing, span };
    fillMask({ ...common, mask: this.#mask, window: 0 });
    if (slides) fillMask({ ...common, mask: this.#slidingMask, window: model.hp.window });
    const data: PieceData = {
      positions,
      cells,
      live: FIRST_ROW,
      mask: this.#mask,
      ...(slides && { slidingMask: this.#slidingMask }),
      ...(model.embed ? { embeddings: await model.embed(tokens) } : { tokens }),
    };
    let result: PieceResult | undefined;
    for (const program of programs) result = await program.run(data, signal);
    return result?.logits as Float32Array;
  }

  async #programsFor(span: number): Promise<readonly RowProgram[]> {
    if (this.#programs[0]?.spec.span === span) return this.#programs;
    const { model, layers } = this.#arena;
    const step = model.layersPerCompute;
    this.#free();
    if (step < model.hp.layers) this.#residual ??= await Residual.create(model, 1);
    const programs: RowProgram[] = [];
    try {
      for (let from = 0; from < model.hp.layers; from += step) {
        const to = Math.min(model.hp.layers, from + step);
        const isLast = to === model.hp.layers;
        const allocator = (this.#allocators[programs.length] ??= new Allocator(model.backend));
        const spec: PieceSpec = {
          rows: 1,
          span,
          from,
          to,
          residual: this.#residual?.tensor,
          store: !isLast,
          embedded: from === 0 && model.embed !== undefined,
          head: isLast ? { rows: undefined, logits: true, targets: false } : undefined,
          probes: [],
          hidden: [],
        };
        programs.push(new RowProgram(model.backend, model, layers, spec, allocator));
      }
    } catch (error) {
      for (const program of programs) program.free();
      throw error;
    }
    this.#programs = programs;
    this.#mask = new Uint16Array(span);
    this.#slidingMask = new Uint16Array(model.hp.window > 0 ? span : 0);
    return programs;
  }

  #free(): void {
    for (const program of this.#programs) program.free();
    this.#programs = [];
  }

  dispose(): void {
    this.#free();
    for (const allocator of this.#allocators.splice(0)) allocator.dispose();
    this.#residual?.free();
    this.#residual = undefined;
  }
}

const FIRST_ROW = Int32Array.of(0);
