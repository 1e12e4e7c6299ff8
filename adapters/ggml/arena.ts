import { DisposedError, InvalidArgumentError, OutOfMemoryError } from '../../lib/errors.js';
import type { KvArena, KvSequence, RowGroup, RunOptions } from '../../lib/engine/arena.js';
import type {
  AttentionRequest,
  ForwardOutputs,
  ForwardResult,
  GroupAttention,
} from '../../lib/engine/forward.js';
import type { LayerPass } from '../../lib/engine/pass.js';
import { CELL_STEP, CellTable } from './cells.js';
import { DecodeProgram } from './decode-program.js';
import { GgmlPass } from './layer-pass.js';
import { withLocks } from './lock.js';
import { withMemory } from './memory.js';
import type { LoadedModel } from './model.js';
import { callAsync, GgmlType } from './native/ggml.js';
import type { BufferPtr, ContextPtr } from './native/pointer.js';
import { checkLayers, ownGroups } from './rows.js';
import { GgmlSequence } from './sequence.js';
import type { LayerCells } from './transformer.js';

/** Cells of keys and values in the device's memory. */
export class GgmlArena implements KvArena {
  readonly model: LoadedModel;
  readonly table: CellTable;
  readonly layers: readonly LayerCells[];
  readonly decodeProgram: DecodeProgram;
  readonly #ctx: ContextPtr;
  readonly #buffer: BufferPtr;
  readonly #onDispose: (arena: GgmlArena) => void;
  readonly #passes = new Set<GgmlPass>();
  #sequences = 0;
  #running = 0;
  #onIdle: (() => void) | undefined;
  #disposed: Promise<void> | undefined;

  /** @throws OutOfMemoryError, InvalidArgumentError */
  static async create(
    model: LoadedModel,
    cells: number,
    onDispose: (arena: GgmlArena) => void,
  ): Promise<GgmlArena> {
    if (!Number.isInteger(cells) || cells < 1 || cells > 1 << 24) {
      throw new InvalidArgumentError(`An arena has 1 to ${1 << 24} cells, not ${cells}.`);
    }
    const { ggml } = model.backend.runtime;
    const size = Math.ceil(cells / CELL_STEP) * CELL_STEP;
    const { layers, keyWidth, valueWidth } = model.info.kv;
    const bytes = size * layers * (keyWidth + valueWidth) * 2;
    return withMemory(model.backend, bytes, 'cells', async () => {
      const ctx = ggml.init({
        mem_size: (2 * layers + 1) * Number(ggml.tensorOverhead()),
        mem_buffer: null,
        no_alloc: true,
      });
      const tensors = Array.from({ length: layers }, () => ({
        keys: ggml.newTensor2d(ctx, GgmlType.F16, keyWidth, size),
        values: ggml.newTensor2d(ctx, GgmlType.F16, valueWidth, size),
      }));
      const buffer = await callAsync(ggml.allocContextTensors, ctx, model.backend.bufferType);
      if (!buffer) {
        ggml.free(ctx);
        throw new OutOfMemoryError('cells', bytes, model.backend.info.name);
      }
      // A cell that was never written must not hold a NaN: masked or not, it would spread.
      await callAsync(ggml.bufferClear, buffer, 0);
      return new GgmlArena(model, size, tensors, { ctx, buffer }, onDispose);
    });
  }

  private constructor(
    model: LoadedModel,
    size: number,
    layers: readonly LayerCells[],
    memory: { ctx: ContextPtr; buffer: BufferPtr },
    onDispose: (arena: GgmlArena) => void,
  ) {
    this.model = model;
    this.table = new CellTable(size);
    this.layers = layers;
    this.#ctx = memory.ctx;
    this.#buffer = memory.buffer;
    this.#onDispose = onDispose;
    this.decodeProgram = new DecodeProgram(this);
  }

  get cells(): number {
    return this.table.size;
  }

  get free(): number {
    return this.table.free;
  }

  /** @throws DisposedError */
  assertUsable(): void {
    this.model.assertUsable();
    if (this.#disposed) throw new DisposedError('arena');
  }

  createSequence(): KvSequence {
    this.assertUsable();
    return new GgmlSequence(this, this.#sequences++);
  }

  /** A sequence over cells whose sharing was already counted. */
  adoptSequence(state: {
    tokens: Int32Array;
    positions: Int32Array;
    cells: Int32Array;
  }): GgmlSequence {
    return new GgmlSequence(this, this.#sequences++, state);
  }

  /** Counts a call in, so that disposal waits for it. @throws DisposedError */
  async track<T>(call: () => Promise<T>): Promise<T> {
    this.assertUsable();
    return this.count(call);
  }

  /** {@link track} for a part of a call that was counted in before the arena was disposed. */
  async count<T>(call: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await call();
    } finally {
      this.#running--;
      if (this.#running === 0) this.#onIdle?.();
    }
  }

  async forward(
    groups: readonly RowGroup[],
    options: ForwardOutputs & RunOptions = {},
  ): Promise<ForwardResult> {
    return this.#locked(groups, (own) => this.runLocked(own, options));
  }

  /** {@link forward} for a caller that holds the locks of the sequences. */
  async runLocked(
    groups: readonly RowGroup[],
    options: ForwardOutputs & RunOptions,
  ): Promise<ForwardResult> {
    const quick = await this.decodeProgram.tryRun(groups, options);
    if (quick) return quick;
    const pass = await GgmlPass.begin(this, groups, options);
    try {
      return await pass.finish(options);
    } finally {
      await pass.dispose();
    }
  }

  async begin(groups: readonly RowGroup[], options: RunOptions = {}): Promise<LayerPass> {
    return this.#locked(groups, async (own) => {
      const pass = await GgmlPass.begin(this, own, options);
      this.#passes.add(pass);
      return pass;
    });
  }

  async probe(
    sequence: GgmlSequence,
    tokens: Int32Array,
    request: AttentionRequest,
    signal: AbortSignal | undefined,
  ): Promise<GroupAttention> {
    const layers = request.layers ?? this.model.info.probeLayers;
    return this.#locked([{ kind: 'append', sequence, tokens }], async (own) => {
      checkLayers(layers, this.model.hp.layers);
      const pass = await GgmlPass.begin(this, own, { probing: true, ...(signal && { signal }) });
      try {
        const result = await pass.advance((layers.at(-1) ?? 0) + 1, {
          attention: { ...request, layers },
          ...(signal && { signal }),
        });
        return result.attention?.[0] as GroupAttention;
      } finally {
        await pass.dispose();
      }
    });
  }

  /** Runs a batch when its sequences' turn has come. */
  async #locked<T>(groups: readonly RowGroup[], task: (own: RowGroup[]) => Promise<T>): Promise<T> {
    this.assertUsable();
    const own = ownGroups(this, groups);
    return this.track(() => withLocks(this.#locksOf(own), () => task(own)));
  }

  #locksOf(groups: readonly RowGroup[]) {
    const sequences = new Set(groups.map((group) => group.sequence as GgmlSequence));
    // Always in the same order, so that two batches cannot wait for each other.
    return [...sequences].sort((a, b) => a.id - b.id).map((sequence) => sequence.lock);
  }

  /** Waits for the calls that run, then frees the cells. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      for (const pass of this.#passes) await pass.dispose();
      if (this.#running > 0) {
        await new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        });
      }
      await this.model.queue.run(async () => {
        const { ggml } = this.model.backend.runtime;
        this.decodeProgram.dispose();
        ggml.bufferFree(this.#buffer);
        ggml.free(this.#ctx);
      });
      this.#onDispose(this);
    })();
    return this.#disposed;
  }

  /** Called by a pass that ended. */
  forget(pass: GgmlPass): void {
    this.#passes.delete(pass);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
