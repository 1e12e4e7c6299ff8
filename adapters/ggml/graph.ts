import { ComputeError, DeviceError, OutOfMemoryError } from '../../lib/errors.js';
import type { Backend } from './backend.js';
import { checkMemory } from './memory.js';
import { type Ggml, GgmlType } from './native/ggml.js';
import type { ContextPtr, GallocrPtr, GraphPtr, TensorPtr } from './native/pointer.js';

/** Plans and owns the memory in which a backend computes graphs, one graph at a time. */
export class Allocator {
  readonly #backend: Backend;
  readonly #pointer: GallocrPtr;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#pointer = backend.runtime.ggml.gallocrNew(backend.bufferType);
  }

  /** @throws OutOfMemoryError */
  allocate(graph: GraphPtr): void {
    const { ggml } = this.#backend.runtime;
    if (this.#backend.isCpu) this.#checkGrowth(graph);
    // Planned anew for each graph: left alone, the allocator takes the last plan for any graph with as many
    // nodes, and tensors that live at the same time may share memory.
    const planned = ggml.gallocrReserve(this.#pointer, graph);
    if (!planned || !ggml.gallocrAlloc(this.#pointer, graph)) {
      throw new OutOfMemoryError('compute buffers', this.#held(), this.#backend.info.name);
    }
  }

  /** Asks for room when the graph needs more than is held. @throws OutOfMemoryError */
  #checkGrowth(graph: GraphPtr): void {
    const bytes = new BigUint64Array(1);
    // Frees what is held and too small.
    this.#backend.runtime.ggml.gallocrMeasure(this.#pointer, graph, null, null, bytes);
    const more = Number(bytes[0]) - this.#held();
    if (more > 0) checkMemory(this.#backend, more, 'compute buffers');
  }

  #held(): number {
    return Number(this.#backend.runtime.ggml.gallocrSize(this.#pointer, 0));
  }

  dispose(): void {
    this.#backend.runtime.ggml.gallocrFree(this.#pointer);
  }
}

/**
 * A compute graph under construction: a ggml context, the graph, and the inputs that are to be set after
 * memory was planned. Every input that the graph does not use must stay out of {@link setInputs}: ggml ends
 * the process when a tensor without memory is written.
 */
export class Graph {
  readonly ggml: Ggml;
  readonly ctx: ContextPtr;
  readonly pointer: GraphPtr;
  readonly #backend: Backend;
  readonly #capacity: number;
  #freed = false;

  constructor(backend: Backend, capacity: number) {
    const { ggml } = backend.runtime;
    this.#backend = backend;
    this.#capacity = capacity;
    this.ggml = ggml;
    this.ctx = ggml.init({
      mem_size:
        (capacity + 64) * Number(ggml.tensorOverhead()) +
        Number(ggml.graphOverhead(capacity, false)),
      mem_buffer: null,
      no_alloc: true,
    });
    this.pointer = ggml.newGraph(this.ctx, capacity, false);
  }

  input(type: keyof typeof GgmlType, ...shape: readonly [number, number?]): TensorPtr {
    const { ggml, ctx } = this;
    const tensor =
      shape[1] === undefined
        ? ggml.newTensor1d(ctx, GgmlType[type], shape[0])
        : ggml.newTensor2d(ctx, GgmlType[type], shape[0], shape[1]);
    ggml.setInput(tensor);
    return tensor;
  }

  /** Adds a tensor and what it depends on; it can be read after the compute. */
  output(tensor: TensorPtr): TensorPtr {
    this.ggml.setOutput(tensor);
    this.ggml.expand(this.pointer, tensor);
    return tensor;
  }

  /** Adds a tensor and what it depends on, for its effect. Nodes run in the order in which they are added. */
  expand(tensor: TensorPtr): TensorPtr {
    this.ggml.expand(this.pointer, tensor);
    return tensor;
  }

  /** Plans memory. On devices other than the CPU each node is asked for first: an unknown one would abort. */
  allocate(allocator: Allocator): void {
    const nodes = this.ggml.graphNodes(this.pointer);
    if (nodes >= this.#capacity) throw new ComputeError('the graph outgrew its plan');
    if (!this.#backend.isCpu) {
      for (let i = 0; i < nodes; i++) {
        const node = this.ggml.graphNode(this.pointer, i);
        if (!this.ggml.devSupportsOp(this.#backend.device, node)) {
          throw new DeviceError(
            `${this.#backend.info.name} does not support an operation of this model. Use device: 'cpu'.`,
          );
        }
      }
    }
    allocator.allocate(this.pointer);
  }

  set(tensor: TensorPtr, data: ArrayBufferView): void {
    this.ggml.tensorSet(tensor, data, 0, data.byteLength);
  }

  /** Reads the first `length` floats of a tensor. */
  floats(tensor: TensorPtr, length: number): Float32Array {
    const values = new Float32Array(length);
    this.ggml.tensorGet(tensor, values, 0, values.byteLength);
    return values;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.ggml.free(this.ctx);
  }
}
