import type { KvArena, KvSequence, RowGroup, RunOptions } from '../../engine/arena.js';
import type { ForwardOutputs, ForwardResult } from '../../engine/forward.js';
import type { LayerPass } from '../../engine/pass.js';
import { DisposedError, InvalidArgumentError } from '../../errors.js';
import { Cells } from './cells.js';
import type { Entries } from './entries.js';
import type { FakeModel } from './fake-model.js';
import { FakePass } from './fake-pass.js';
import { FakeRun, type RunHooks } from './fake-run.js';
import { FakeSequence } from './fake-sequence.js';
import { type GroupSpec, planRows } from './row-plan.js';
import type { WorkQueue } from './work-queue.js';

/** What an arena needs of the engine. */
export interface ArenaHost {
  readonly model: FakeModel;
  readonly queue: WorkQueue;
  readonly hooks: RunHooks;
  readonly isDisposed: () => boolean;
  readonly onArenaDisposed: () => void;
}

export class FakeArena implements KvArena {
  readonly storage: Cells;
  readonly host: ArenaHost;
  #disposed = false;

  constructor(host: ArenaHost, cells: number) {
    this.host = host;
    this.storage = new Cells(cells, host.model.info.kv);
  }

  get cells(): number {
    return this.storage.size;
  }

  get free(): number {
    return this.storage.free;
  }

  createSequence(): KvSequence {
    this.assertAlive();
    return new FakeSequence(this);
  }

  async forward(
    groups: readonly RowGroup[],
    options: ForwardOutputs & RunOptions = {},
  ): Promise<ForwardResult> {
    const specs = this.#resolve(groups);
    return this.run(entriesOf(specs), options.signal, () => this.compute(specs, options));
  }

  async begin(groups: readonly RowGroup[], options: RunOptions = {}): Promise<LayerPass> {
    const specs = this.#resolve(groups);
    const sequences = entriesOf(specs);
    return this.run(sequences, options.signal, async () => {
      const { model, hooks } = this.host;
      const plan = planRows(this.storage, specs, model.info);
      const run = new FakeRun(model, this.storage, plan, specs, hooks);
      for (const entries of sequences) {
        entries.passes++;
        entries.hold();
      }
      return new FakePass(run, {
        layers: model.info.layers,
        run: (signal, task) => this.run([], signal, task),
        onEnd: () => {
          for (const entries of sequences) {
            entries.passes--;
            entries.letGo();
          }
        },
      });
    });
  }

  async dispose(): Promise<void> {
    const first = !this.#disposed;
    this.#disposed = true;
    await this.host.queue.idle();
    if (first) this.host.onArenaDisposed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Computes a batch; on failure takes its appended rows back. Only from within {@link run}. */
  async compute(
    specs: readonly GroupSpec[],
    options: ForwardOutputs & RunOptions,
  ): Promise<ForwardResult> {
    const { model, hooks } = this.host;
    const { layers } = model.info;
    const plan = planRows(this.storage, specs, model.info);
    const run = new FakeRun(model, this.storage, plan, specs, hooks);
    try {
      const rows = run.logitRows(options.logits);
      const collector = run.collector(options, layers);
      const result = await run.advance(layers, collector, options);
      const head = run.head(rows, options.losses ?? false);
      run.join();
      return { ...result, ...head };
    } catch (error) {
      run.undo();
      throw error;
    }
  }

  /** Runs a task when its turn has come, keeping the cells of these sequences until it ends. */
  async run<T>(
    sequences: readonly Entries[],
    signal: AbortSignal | undefined,
    task: () => Promise<T>,
  ): Promise<T> {
    this.assertAlive();
    signal?.throwIfAborted();
    for (const entries of sequences) entries.hold();
    try {
      return await this.host.queue.run(async () => {
        signal?.throwIfAborted();
        return task();
      });
    } finally {
      for (const entries of sequences) entries.letGo();
    }
  }

  assertAlive(): void {
    if (this.host.isDisposed()) throw new DisposedError('engine');
    if (this.#disposed) throw new DisposedError('arena');
  }

  /** The entries of a sequence of this arena that is not disposed. */
  entriesOf(sequence: KvSequence | undefined): Entries {
    if (!(sequence instanceof FakeSequence) || sequence.arena !== this) {
      throw new InvalidArgumentError('The sequence belongs to another arena.');
    }
    return sequence.assertAlive();
  }

  #resolve(groups: readonly RowGroup[]): GroupSpec[] {
    this.assertAlive();
    return groups.map((group): GroupSpec => {
      const entries = this.entriesOf(group?.sequence);
      if (group.kind === 'append') {
        return {
          kind: 'append',
          entries,
          tokens: copy(group.tokens, 'tokens'),
          positions: group.positions && copy(group.positions, 'positions'),
        };
      }
      if (group.kind === 'refresh') {
        return { kind: 'refresh', entries, numbers: copy(group.entries, 'entries') };
      }
      throw new InvalidArgumentError('A group is of kind "append" or "refresh".');
    });
  }
}

/** The caller may reuse its array while the call waits for its turn. */
function copy(numbers: Int32Array, what: string): Int32Array {
  if (!ArrayBuffer.isView(numbers)) {
    throw new InvalidArgumentError(`The ${what} must be an Int32Array.`);
  }
  return numbers.slice();
}

function entriesOf(specs: readonly GroupSpec[]): Entries[] {
  return [...new Set(specs.map(({ entries }) => entries))];
}
