import { DeviceError } from '../../lib/errors.js';
import type { Architecture } from './architectures.js';
import { Backend, describeDevice } from './backend.js';
import type { GgufHeader } from './gguf.js';
import { Allocator, Graph } from './graph.js';
import type { Hyperparameters } from './hyperparameters.js';
import type { TensorPtr } from './native/pointer.js';
import type { Runtime } from './native/runtime.js';
import { loadHostEmbedding } from './weights.js';

/**
 * Looks token embeddings up on the CPU for a device that cannot read the table's type: CUDA multiplies
 * K-quants but does not index them.
 */
export class HostEmbedding {
  readonly #host: Backend;
  readonly #table: { embedding: TensorPtr; dispose(): void };
  readonly #scratch: Allocator;
  readonly #width: number;

  static async load(
    runtime: Runtime,
    parts: {
      header: GgufHeader;
      architecture: Architecture;
      hyperparameters: Hyperparameters;
      signal?: AbortSignal | undefined;
    },
  ): Promise<HostEmbedding> {
    const cpu = runtime.devices.find((device) => describeDevice(runtime, device).kind === 'cpu');
    if (!cpu) throw new DeviceError('There is no CPU device to look embeddings up on.');
    const host = new Backend(runtime, cpu, { threads: 1 });
    try {
      return new HostEmbedding(host, await loadHostEmbedding({ host, ...parts }), parts);
    } catch (error) {
      host.dispose();
      throw error;
    }
  }

  private constructor(
    host: Backend,
    table: { embedding: TensorPtr; dispose(): void },
    parts: { hyperparameters: Hyperparameters },
  ) {
    this.#host = host;
    this.#table = table;
    this.#width = parts.hyperparameters.width;
    this.#scratch = new Allocator(host);
  }

  /** `[tokens][width]`. Calls must not overlap; the compute queue sees to that. */
  async lookUp(tokens: Int32Array): Promise<Float32Array> {
    const graph = new Graph(this.#host, 16);
    try {
      const ids = graph.input('I32', tokens.length);
      const rows = graph.output(graph.ggml.getRows(graph.ctx, this.#table.embedding, ids));
      graph.allocate(this.#scratch);
      graph.set(ids, tokens);
      await this.#host.compute(graph.pointer);
      return graph.floats(rows, tokens.length * this.#width);
    } finally {
      graph.free();
    }
  }

  dispose(): void {
    this.#scratch.dispose();
    this.#table.dispose();
    this.#host.dispose();
  }
}
