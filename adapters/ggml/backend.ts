import { availableParallelism } from 'node:os';
import { ComputeError, DeviceError } from '../../lib/errors.js';
import type { DeviceInfo, DeviceKind } from '../../lib/engine/device.js';
import {
  bindCpu,
  callAsync,
  type CpuFunctions,
  GgmlDeviceType,
  GgmlStatus,
} from './native/ggml.js';
import type {
  BackendPtr,
  BufferTypePtr,
  ContextPtr,
  DevicePtr,
  GraphPtr,
  ThreadpoolPtr,
} from './native/pointer.js';
import type { Runtime } from './native/runtime.js';

/** One device that computes graphs, with its thread pool and its abort flag. */
export class Backend {
  readonly runtime: Runtime;
  readonly device: DevicePtr;
  readonly info: DeviceInfo;
  readonly bufferType: BufferTypePtr;
  /** Weights may be repacked into these; empty away from the CPU. */
  readonly extraBufferTypes: readonly BufferTypePtr[];
  #pointer: BackendPtr;
  readonly #keepsFreedBuffers: boolean;
  readonly #cpu: CpuFunctions | undefined;
  #pool: ThreadpoolPtr | undefined;
  readonly #abortFlag: ContextPtr;
  #busyMs = 0;

  constructor(runtime: Runtime, device: DevicePtr, options: { threads?: number | undefined } = {}) {
    const { ggml } = runtime;
    this.runtime = runtime;
    this.device = device;
    this.info = describeDevice(runtime, device);
    const pointer = ggml.devInit(device, null);
    if (!pointer) throw new DeviceError(`The device ${this.info.name} cannot be started.`);
    this.#pointer = pointer;
    this.#keepsFreedBuffers = /llvmpipe/i.test(this.info.description);
    this.bufferType = ggml.defaultBufferType(pointer);
    // A context's no-alloc flag doubles as the abort flag: the native function that reads it is the abort
    // callback, so no JavaScript runs on a compute thread.
    this.#abortFlag = ggml.init({ mem_size: 1024, mem_buffer: null, no_alloc: false });
    if (this.info.kind === 'cpu') {
      this.#cpu = bindCpu(ggml, device);
      const threads = options.threads ?? defaultThreads();
      const pool = this.#cpu.threadpoolNew(ggml.threadpoolDefaults(threads));
      if (!pool) throw new DeviceError(`A pool of ${threads} threads cannot be started.`);
      this.#pool = pool;
      this.#cpu.setThreads(pointer, threads);
      this.#cpu.setThreadpool(pointer, pool);
      this.#cpu.setAbort(pointer, ggml.noAllocFlag, this.#abortFlag);
      this.extraBufferTypes = this.#cpu.extraBufferTypes();
    } else {
      this.extraBufferTypes = [];
    }
  }

  get isCpu(): boolean {
    return this.#cpu !== undefined;
  }

  /** Milliseconds that computes took so far, as seen from JavaScript. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /**
   * Computes an allocated graph on a pool thread. On the CPU an abort takes effect within some 10 ms;
   * elsewhere when the graph is done.
   */
  async compute(graph: GraphPtr, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { ggml } = this.runtime;
    const abort = (): void => ggml.setNoAlloc(this.#abortFlag, true);
    signal?.addEventListener('abort', abort, { once: true });
    const start = performance.now();
    try {
      if (this.#keepsFreedBuffers) this.#renew();
      const status = await callAsync(ggml.graphCompute, this.#pointer, graph);
      if (status === GgmlStatus.Aborted) signal?.throwIfAborted();
      if (status !== GgmlStatus.Success) {
        throw new ComputeError(
          `${this.info.name} could not compute a graph (status ${status}). Try again, or use another device.`,
        );
      }
    } finally {
      this.#busyMs += performance.now() - start;
      signal?.removeEventListener('abort', abort);
      ggml.setNoAlloc(this.#abortFlag, false);
    }
  }

  /**
   * Mesa's software driver (seen in 22.3) reads every binding of a descriptor set, those a shader does not use
   * included, and with them buffers that have been freed since. A fresh context has fresh descriptor sets.
   */
  #renew(): void {
    const { ggml } = this.runtime;
    const pointer = ggml.devInit(this.device, null);
    if (!pointer) throw new DeviceError(`The device ${this.info.name} cannot be started again.`);
    ggml.backendFree(this.#pointer);
    this.#pointer = pointer;
  }

  dispose(): void {
    const { ggml } = this.runtime;
    ggml.backendFree(this.#pointer);
    if (this.#pool) this.#cpu?.threadpoolFree(this.#pool);
    this.#pool = undefined;
    ggml.free(this.#abortFlag);
  }
}

/** Threads that computing uses by default: the cores that the process may run on. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(availableParallelism(), 64));
}

const kinds: readonly [RegExp, DeviceKind][] = [
  [/cuda/i, 'cuda'],
  [/vulkan/i, 'vulkan'],
  [/metal|mtl/i, 'metal'],
];

/** What a device is called and how much memory it has. */
export function describeDevice(runtime: Runtime, device: DevicePtr): DeviceInfo {
  const { ggml } = runtime;
  const name = ggml.devName(device);
  const registry = ggml.regName(ggml.devReg(device));
  const free = new BigUint64Array(1);
  const total = new BigUint64Array(1);
  ggml.devMemory(device, free, total);
  const isCpu = ggml.devType(device) === GgmlDeviceType.CPU;
  return {
    name,
    kind: isCpu ? 'cpu' : (kinds.find(([pattern]) => pattern.test(registry))?.[1] ?? 'vulkan'),
    description: ggml.devDescription(device),
    memoryTotal: Number(total[0]),
    memoryFree: Number(free[0]),
  };
}
