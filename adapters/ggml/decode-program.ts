import type { RowGroup, RunOptions } from '../../lib/engine/arena.js';
import type { ForwardOutputs, ForwardResult } from '../../lib/engine/forward.js';
import { CELL_STEP, type GgmlArena } from './arena.js';
import { Allocator } from './graph.js';
import { fillMask, orderVisible, reachOf } from './mask.js';
import { RowProgram } from './row-program.js';
import { checkReach } from './rows.js';
import type { GgmlSequence } from './sequence.js';
import { assertReady } from './visibility.js';

/**
 * The graph of one appended token, kept between decode steps: building it anew would cost a tenth of a
 * small model's step. It has compute memory of its own, so that other graphs leave its plan alone.
 */
export class DecodeProgram {
  readonly #arena: GgmlArena;
  #allocator: Allocator | undefined;
  #program: RowProgram | undefined;
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
    if (model.embed || model.layersPerCompute < model.hp.layers) return undefined;

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
    const program = this.#programFor(span);
    const slides = model.hp.window > 0;
    const common = { ...seeing, span };
    fillMask({ ...common, mask: this.#mask, window: 0 });
    if (slides) fillMask({ ...common, mask: this.#slidingMask, window: model.hp.window });
    const result = await program.run(
      {
        tokens,
        positions,
        cells,
        mask: this.#mask,
        ...(slides && { slidingMask: this.#slidingMask }),
      },
      signal,
    );
    return result.logits as Float32Array;
  }

  #programFor(span: number): RowProgram {
    if (this.#program?.spec.span === span) return this.#program;
    const { model, layers } = this.#arena;
    this.#program?.free();
    this.#program = undefined;
    this.#allocator ??= new Allocator(model.backend);
    this.#program = new RowProgram(
      model.backend,
      model,
      layers,
      {
        rows: 1,
        span,
        from: 0,
        to: model.hp.layers,
        store: false,
        embedded: false,
        head: { rows: undefined, logits: true, targets: false },
        probes: [],
        hidden: [],
      },
      this.#allocator,
    );
    this.#mask = new Uint16Array(span);
    this.#slidingMask = new Uint16Array(model.hp.window > 0 ? span : 0);
    return this.#program;
  }

  dispose(): void {
    this.#program?.free();
    this.#allocator?.dispose();
    this.#program = undefined;
    this.#allocator = undefined;
  }
}
