import { OutOfMemoryError } from '../../lib/errors.js';
import { checkMemory } from './memory.js';
import type { LoadedModel } from './model.js';
import { callAsync, GgmlType } from './native/ggml.js';
import type { BufferPtr, ContextPtr, TensorPtr } from './native/pointer.js';

/** Where rows rest between two groups of layers: `[width, rows]` in the device's memory. */
export class Residual {
  readonly tensor: TensorPtr;
  readonly #model: LoadedModel;
  readonly #buffer: BufferPtr;
  readonly #ctx: ContextPtr;

  /** @throws OutOfMemoryError */
  static async create(model: LoadedModel, rows: number): Promise<Residual> {
    const { backend, hp } = model;
    const { ggml } = backend.runtime;
    const bytes = hp.width * rows * 4;
    checkMemory(backend, bytes, 'hidden states');
    const ctx = ggml.init({
      mem_size: 2 * Number(ggml.tensorOverhead()),
      mem_buffer: null,
      no_alloc: true,
    });
    const tensor = ggml.newTensor2d(ctx, GgmlType.F32, hp.width, rows);
    const buffer = await callAsync(ggml.allocContextTensors, ctx, backend.bufferType);
    if (!buffer) {
      ggml.free(ctx);
      throw new OutOfMemoryError('hidden states', bytes, backend.info.name);
    }
    return new Residual(model, { tensor, buffer, ctx });
  }

  private constructor(
    model: LoadedModel,
    memory: { tensor: TensorPtr; buffer: BufferPtr; ctx: ContextPtr },
  ) {
    this.#model = model;
    this.tensor = memory.tensor;
    this.#buffer = memory.buffer;
    this.#ctx = memory.ctx;
  }

  free(): void {
    const { ggml } = this.#model.backend.runtime;
    ggml.bufferFree(this.#buffer);
    ggml.free(this.#ctx);
  }
}
