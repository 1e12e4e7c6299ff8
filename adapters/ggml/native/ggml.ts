import type { Koffi } from './koffi.js';
import type { BinarySet } from './library.js';
import type {
  AnyPtr,
  BackendPtr,
  BufferPtr,
  BufferTypePtr,
  ContextPtr,
  DevicePtr,
  GallocrPtr,
  GraphPtr,
  RegPtr,
  TensorPtr,
  ThreadpoolPtr,
} from './pointer.js';

/** `enum ggml_type`, the members that weights and graphs use. */
export const GgmlType = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  I32: 26,
  I64: 27,
  BF16: 30,
} as const;

/** `enum ggml_status`. */
export const GgmlStatus = { AllocFailed: -2, Failed: -1, Success: 0, Aborted: 1 } as const;

/** `enum ggml_backend_dev_type`. */
export const GgmlDeviceType = { CPU: 0, GPU: 1, IGPU: 2, ACCEL: 3 } as const;

/** A native function that also runs on a thread of the pool. */
export interface AsyncCapable<Args extends readonly unknown[], Result> {
  (...args: Args): Result;
  async(...args: [...Args, (error: Error | null, result: Result) => void]): void;
}

/** Calls a native function on a thread of the pool, off the event loop. */
export function callAsync<Args extends readonly unknown[], Result>(
  fn: AsyncCapable<Args, Result>,
  ...args: Args
): Promise<Result> {
  return new Promise((resolve, reject) => {
    fn.async(...args, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

type Bytes = ArrayBufferView;
type T = TensorPtr;

/** The functions of ggml's C API that the engine calls, typed. One instance a process. */
export interface Ggml {
  version(): string;
  logSet(callback: AnyPtr | null, data: AnyPtr | null): void;

  init(params: { mem_size: number; mem_buffer: null; no_alloc: boolean }): ContextPtr;
  free(ctx: ContextPtr): void;
  reset(ctx: ContextPtr): void;
  setNoAlloc(ctx: ContextPtr, value: boolean): void;
  tensorOverhead(): number;
  graphOverhead(size: number, grads: boolean): number;

  typeSize(type: number): number;
  blockSize(type: number): number;
  typeName(type: number): string;
  rowSize(type: number, elements: number): number;
  nbytes(tensor: T): number;
  quantizeChunk(
    type: number,
    source: Float32Array,
    target: Uint8Array,
    start: number,
    rows: number,
    perRow: number,
    imatrix: null,
  ): number;

  newTensor1d(ctx: ContextPtr, type: number, a: number): T;
  newTensor2d(ctx: ContextPtr, type: number, a: number, b: number): T;
  newTensor3d(ctx: ContextPtr, type: number, a: number, b: number, c: number): T;
  setInput(tensor: T): void;
  setOutput(tensor: T): void;
  setName(tensor: T, name: string): T;
  newGraph(ctx: ContextPtr, size: number, grads: boolean): GraphPtr;
  expand(graph: GraphPtr, tensor: T): void;
  graphNodes(graph: GraphPtr): number;
  graphNode(graph: GraphPtr, index: number): T;

  add(ctx: ContextPtr, a: T, b: T): T;
  sub(ctx: ContextPtr, a: T, b: T): T;
  mul(ctx: ContextPtr, a: T, b: T): T;
  sqr(ctx: ContextPtr, a: T): T;
  scale(ctx: ContextPtr, a: T, factor: number): T;
  tanh(ctx: ContextPtr, a: T): T;
  silu(ctx: ContextPtr, a: T): T;
  sumRows(ctx: ContextPtr, a: T): T;
  rmsNorm(ctx: ContextPtr, a: T, eps: number): T;
  mulMat(ctx: ContextPtr, a: T, b: T): T;
  precSetAcc(tensor: T, precision: number): void;
  getRows(ctx: ContextPtr, a: T, rows: T): T;
  setRows(ctx: ContextPtr, target: T, source: T, rows: T): T;
  cpy(ctx: ContextPtr, source: T, target: T): T;
  cont(ctx: ContextPtr, a: T): T;
  cast(ctx: ContextPtr, a: T, type: number): T;
  pad(ctx: ContextPtr, a: T, p0: number, p1: number, p2: number, p3: number): T;
  reshape2d(ctx: ContextPtr, a: T, x: number, y: number): T;
  reshape3d(ctx: ContextPtr, a: T, x: number, y: number, z: number): T;
  view1d(ctx: ContextPtr, a: T, x: number, offset: number): T;
  view2d(ctx: ContextPtr, a: T, x: number, y: number, nb1: number, offset: number): T;
  view3d(
    ctx: ContextPtr,
    a: T,
    x: number,
    y: number,
    z: number,
    nb1: number,
    nb2: number,
    offset: number,
  ): T;
  permute(ctx: ContextPtr, a: T, p0: number, p1: number, p2: number, p3: number): T;
  transpose(ctx: ContextPtr, a: T): T;
  softMax(ctx: ContextPtr, a: T): T;
  softMaxExt(ctx: ContextPtr, a: T, mask: T, scale: number, maxBias: number): T;
  swigluSplit(ctx: ContextPtr, gate: T, up: T): T;
  gegluSplit(ctx: ContextPtr, gate: T, up: T): T;
  ropeExt(
    ctx: ContextPtr,
    a: T,
    positions: T,
    factors: T | null,
    dims: number,
    mode: number,
    originalContext: number,
    base: number,
    scale: number,
    extFactor: number,
    attnFactor: number,
    betaFast: number,
    betaSlow: number,
  ): T;
  flashAttn(
    ctx: ContextPtr,
    q: T,
    k: T,
    v: T,
    mask: T,
    scale: number,
    maxBias: number,
    softcap: number,
  ): T;

  gallocrNew(type: BufferTypePtr): GallocrPtr;
  gallocrFree(allocator: GallocrPtr): void;
  gallocrReserve(allocator: GallocrPtr, graph: GraphPtr): boolean;
  /** Plans a graph and writes the bytes that it needs, without taking more than there is. */
  gallocrMeasure(
    allocator: GallocrPtr,
    graph: GraphPtr,
    nodeBuffers: null,
    leafBuffers: null,
    bytes: BigUint64Array,
  ): void;
  gallocrAlloc(allocator: GallocrPtr, graph: GraphPtr): boolean;
  gallocrSize(allocator: GallocrPtr, index: number): number;

  loadAllFromPath(directory: string): void;
  devCount(): number;
  devGet(index: number): DevicePtr;
  devName(device: DevicePtr): string;
  devDescription(device: DevicePtr): string;
  devType(device: DevicePtr): number;
  devMemory(device: DevicePtr, free: BigUint64Array, total: BigUint64Array): void;
  devInit(device: DevicePtr, params: null): BackendPtr | null;
  devReg(device: DevicePtr): RegPtr;
  regName(reg: RegPtr): string;
  devSupportsOp(device: DevicePtr, tensor: T): boolean;
  procAddress(reg: RegPtr, name: string): AnyPtr | null;

  backendFree(backend: BackendPtr): void;
  defaultBufferType(backend: BackendPtr): BufferTypePtr;
  bufferTypeName(type: BufferTypePtr): string;
  bufferTypeAlignment(type: BufferTypePtr): number;
  bufferTypeMaxSize(type: BufferTypePtr): number | bigint;
  bufferTypeAllocSize(type: BufferTypePtr, tensor: T): number;
  bufferTypeIsHost(type: BufferTypePtr): boolean;
  allocBuffer: AsyncCapable<[BufferTypePtr, number], BufferPtr | null>;
  bufferFree(buffer: BufferPtr): void;
  bufferBase(buffer: BufferPtr): AnyPtr;
  bufferSize(buffer: BufferPtr): number;
  bufferClear: AsyncCapable<[BufferPtr, number], void>;
  bufferSetUsage(buffer: BufferPtr, usage: number): void;
  tensorAlloc(buffer: BufferPtr, tensor: T, address: AnyPtr): number;
  allocContextTensors: AsyncCapable<[ContextPtr, BufferTypePtr], BufferPtr | null>;
  tensorSet: AsyncCapable<[T, Bytes, number, number], void>;
  tensorGet: AsyncCapable<[T, Bytes, number, number], void>;
  graphCompute: AsyncCapable<[BackendPtr, GraphPtr], number>;

  /** Address of a native function that does nothing harmful when called as a log callback. */
  readonly silentLog: AnyPtr;
  /** Address of `ggml_get_no_alloc`, which serves as an abort callback over a context's flag. */
  readonly noAllocFlag: AnyPtr;
  threadpoolDefaults(threads: number): Record<string, unknown>;
  /** Type of the struct that {@link threadpoolDefaults} returns. */
  readonly threadpoolParams: ReturnType<Koffi['struct']>;
  readonly koffi: Koffi;
}

/** CPU-only functions, reached through the registry since their library is picked at run time. */
export interface CpuFunctions {
  threadpoolNew(params: Record<string, unknown>): ThreadpoolPtr | null;
  threadpoolFree(pool: ThreadpoolPtr): void;
  setThreadpool(backend: BackendPtr, pool: ThreadpoolPtr | null): void;
  setThreads(backend: BackendPtr, threads: number): void;
  setAbort(backend: BackendPtr, callback: AnyPtr | null, data: AnyPtr | null): void;
  /** Buffer types that repack weights for this CPU. */
  extraBufferTypes(): BufferTypePtr[];
}

const PTR = 'void *';
const pointers = (count: number): Type[] => Array.from({ length: count }, () => PTR);
const floats = (count: number): Type[] => Array.from({ length: count }, () => 'float');

/** Binds ggml. Names on the left are ours, on the right the C API's. */
export function bindGgml(koffi: Koffi, set: BinarySet): Ggml {
  const base = koffi.load(set.ggmlBase, { global: true });
  const registry = koffi.load(set.ggml, { global: true });
  const fn = <F>(lib: typeof base, name: string, result: Type, args: Type[]): F =>
    lib.func(name, result as string, args as string[]) as unknown as F;
  const b = <F>(name: string, result: Type, args: Type[]): F => fn<F>(base, name, result, args);
  const r = <F>(name: string, result: Type, args: Type[]): F => fn<F>(registry, name, result, args);
  // Anonymous structs: named ones clash when two copies of the bindings live in one process.
  const initParams = koffi.struct({ mem_size: 'size_t', mem_buffer: PTR, no_alloc: 'bool' });
  const threadpoolParams = koffi.struct({
    cpumask: koffi.array('bool', 512),
    n_threads: 'int',
    prio: 'int',
    poll: 'uint32_t',
    strict_cpu: 'bool',
    paused: 'bool',
  });
  const unary = [PTR, PTR];
  const binary = [PTR, PTR, PTR];
  const i64 = 'int64_t';

  return {
    koffi,
    threadpoolParams,
    threadpoolDefaults: b('ggml_threadpool_params_default', threadpoolParams, ['int']),
    silentLog: base.symbol('ggml_time_us', PTR) as unknown as AnyPtr,
    noAllocFlag: base.symbol('ggml_get_no_alloc', PTR) as unknown as AnyPtr,
    version: b('ggml_version', 'str', []),
    logSet: b('ggml_log_set', 'void', [PTR, PTR]),
    init: b('ggml_init', PTR, [initParams]),
    free: b('ggml_free', 'void', [PTR]),
    reset: b('ggml_reset', 'void', [PTR]),
    setNoAlloc: b('ggml_set_no_alloc', 'void', [PTR, 'bool']),
    tensorOverhead: b('ggml_tensor_overhead', 'size_t', []),
    graphOverhead: b('ggml_graph_overhead_custom', 'size_t', ['size_t', 'bool']),
    typeSize: b('ggml_type_size', 'size_t', ['int']),
    blockSize: b('ggml_blck_size', i64, ['int']),
    typeName: b('ggml_type_name', 'str', ['int']),
    rowSize: b('ggml_row_size', 'size_t', ['int', i64]),
    nbytes: b('ggml_nbytes', 'size_t', [PTR]),
    quantizeChunk: b('ggml_quantize_chunk', 'size_t', ['int', PTR, PTR, i64, i64, i64, PTR]),
    newTensor1d: b('ggml_new_tensor_1d', PTR, [PTR, 'int', i64]),
    newTensor2d: b('ggml_new_tensor_2d', PTR, [PTR, 'int', i64, i64]),
    newTensor3d: b('ggml_new_tensor_3d', PTR, [PTR, 'int', i64, i64, i64]),
    setInput: b('ggml_set_input', 'void', [PTR]),
    setOutput: b('ggml_set_output', 'void', [PTR]),
    setName: b('ggml_set_name', PTR, [PTR, 'str']),
    newGraph: b('ggml_new_graph_custom', PTR, [PTR, 'size_t', 'bool']),
    expand: b('ggml_build_forward_expand', 'void', [PTR, PTR]),
    graphNodes: b('ggml_graph_n_nodes', 'int', [PTR]),
    graphNode: b('ggml_graph_node', PTR, [PTR, 'int']),
    add: b('ggml_add', PTR, binary),
    sub: b('ggml_sub', PTR, binary),
    mul: b('ggml_mul', PTR, binary),
    sqr: b('ggml_sqr', PTR, unary),
    scale: b('ggml_scale', PTR, [PTR, PTR, 'float']),
    tanh: b('ggml_tanh', PTR, unary),
    silu: b('ggml_silu', PTR, unary),
    sumRows: b('ggml_sum_rows', PTR, unary),
    rmsNorm: b('ggml_rms_norm', PTR, [PTR, PTR, 'float']),
    mulMat: b('ggml_mul_mat', PTR, binary),
    precSetAcc: b('ggml_prec_set_acc', 'void', [PTR, 'int']),
    getRows: b('ggml_get_rows', PTR, binary),
    setRows: b('ggml_set_rows', PTR, [PTR, PTR, PTR, PTR]),
    cpy: b('ggml_cpy', PTR, binary),
    cont: b('ggml_cont', PTR, unary),
    cast: b('ggml_cast', PTR, [PTR, PTR, 'int']),
    pad: b('ggml_pad', PTR, [PTR, PTR, 'int', 'int', 'int', 'int']),
    reshape2d: b('ggml_reshape_2d', PTR, [PTR, PTR, i64, i64]),
    reshape3d: b('ggml_reshape_3d', PTR, [PTR, PTR, i64, i64, i64]),
    view1d: b('ggml_view_1d', PTR, [PTR, PTR, i64, 'size_t']),
    view2d: b('ggml_view_2d', PTR, [PTR, PTR, i64, i64, 'size_t', 'size_t']),
    view3d: b('ggml_view_3d', PTR, [PTR, PTR, i64, i64, i64, 'size_t', 'size_t', 'size_t']),
    permute: b('ggml_permute', PTR, [PTR, PTR, 'int', 'int', 'int', 'int']),
    transpose: b('ggml_transpose', PTR, unary),
    softMax: b('ggml_soft_max', PTR, unary),
    softMaxExt: b('ggml_soft_max_ext', PTR, [PTR, PTR, PTR, 'float', 'float']),
    swigluSplit: b('ggml_swiglu_split', PTR, binary),
    gegluSplit: b('ggml_geglu_split', PTR, binary),
    ropeExt: b('ggml_rope_ext', PTR, [...pointers(4), 'int', 'int', 'int', ...floats(6)]),
    flashAttn: b('ggml_flash_attn_ext', PTR, [...pointers(5), ...floats(3)]),
    gallocrNew: b('ggml_gallocr_new', PTR, [PTR]),
    gallocrFree: b('ggml_gallocr_free', 'void', [PTR]),
    gallocrReserve: b('ggml_gallocr_reserve', 'bool', [PTR, PTR]),
    gallocrMeasure: b('ggml_gallocr_reserve_n_size', 'void', pointers(5)),
    gallocrAlloc: b('ggml_gallocr_alloc_graph', 'bool', [PTR, PTR]),
    gallocrSize: b('ggml_gallocr_get_buffer_size', 'size_t', [PTR, 'int']),
    loadAllFromPath: r('ggml_backend_load_all_from_path', 'void', ['str']),
    devCount: r('ggml_backend_dev_count', 'size_t', []),
    devGet: r('ggml_backend_dev_get', PTR, ['size_t']),
    devName: b('ggml_backend_dev_name', 'str', [PTR]),
    devDescription: b('ggml_backend_dev_description', 'str', [PTR]),
    devType: b('ggml_backend_dev_type', 'int', [PTR]),
    devMemory: b('ggml_backend_dev_memory', 'void', [PTR, PTR, PTR]),
    devInit: b('ggml_backend_dev_init', PTR, [PTR, PTR]),
    devReg: b('ggml_backend_dev_backend_reg', PTR, [PTR]),
    regName: b('ggml_backend_reg_name', 'str', [PTR]),
    devSupportsOp: b('ggml_backend_dev_supports_op', 'bool', [PTR, PTR]),
    procAddress: b('ggml_backend_reg_get_proc_address', PTR, [PTR, 'str']),
    backendFree: b('ggml_backend_free', 'void', [PTR]),
    defaultBufferType: b('ggml_backend_get_default_buffer_type', PTR, [PTR]),
    bufferTypeName: b('ggml_backend_buft_name', 'str', [PTR]),
    bufferTypeAlignment: b('ggml_backend_buft_get_alignment', 'size_t', [PTR]),
    bufferTypeMaxSize: b('ggml_backend_buft_get_max_size', 'size_t', [PTR]),
    bufferTypeAllocSize: b('ggml_backend_buft_get_alloc_size', 'size_t', [PTR, PTR]),
    bufferTypeIsHost: b('ggml_backend_buft_is_host', 'bool', [PTR]),
    allocBuffer: b('ggml_backend_buft_alloc_buffer', PTR, [PTR, 'size_t']),
    bufferFree: b('ggml_backend_buffer_free', 'void', [PTR]),
    bufferBase: b('ggml_backend_buffer_get_base', PTR, [PTR]),
    bufferSize: b('ggml_backend_buffer_get_size', 'size_t', [PTR]),
    bufferClear: b('ggml_backend_buffer_clear', 'void', [PTR, 'uint8_t']),
    bufferSetUsage: b('ggml_backend_buffer_set_usage', 'void', [PTR, 'int']),
    tensorAlloc: b('ggml_backend_tensor_alloc', 'int', [PTR, PTR, PTR]),
    allocContextTensors: b('ggml_backend_alloc_ctx_tensors_from_buft', PTR, [PTR, PTR]),
    tensorSet: b('ggml_backend_tensor_set', 'void', [PTR, PTR, 'size_t', 'size_t']),
    tensorGet: b('ggml_backend_tensor_get', 'void', [PTR, PTR, 'size_t', 'size_t']),
    graphCompute: b('ggml_backend_graph_compute', 'int', [PTR, PTR]),
  };
}

/** Binds the functions of the CPU backend that was picked for this machine. */
export function bindCpu(ggml: Ggml, device: DevicePtr): CpuFunctions {
  const { koffi } = ggml;
  const reg = ggml.devReg(device);
  const proc = <F>(name: string, result: Type, args: Type[]): F => {
    const address = ggml.procAddress(reg, name);
    if (!address) throw new Error(`the CPU backend has no function ${name}`);
    const proto = koffi.proto(result as string, args as string[]);
    return koffi.decode(address, proto) as F;
  };
  const extra = proc<(device: DevicePtr) => AnyPtr | null>(
    'ggml_backend_dev_get_extra_bufts',
    PTR,
    [PTR],
  );
  return {
    threadpoolNew: proc('ggml_threadpool_new', PTR, [koffi.pointer(ggml.threadpoolParams)]),
    threadpoolFree: proc('ggml_threadpool_free', 'void', [PTR]),
    setThreadpool: proc('ggml_backend_cpu_set_threadpool', 'void', [PTR, PTR]),
    setThreads: proc('ggml_backend_set_n_threads', 'void', [PTR, 'int']),
    setAbort: proc('ggml_backend_set_abort_callback', 'void', [PTR, PTR, PTR]),
    extraBufferTypes() {
      const list = extra(device);
      const found: BufferTypePtr[] = [];
      // A null-terminated array of pointers.
      if (!list) return found;
      for (let at = 0; ; at++) {
        const pointer = koffi.decode(list, at * 8, PTR) as BufferTypePtr | null;
        if (!pointer) break;
        found.push(pointer);
      }
      return found;
    },
  };
}

type Type = string | ReturnType<Koffi['struct']> | ReturnType<Koffi['pointer']>;
