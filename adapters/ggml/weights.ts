import { open, type FileHandle } from 'node:fs/promises';
import { DeviceError, ModelFileError, OutOfMemoryError } from '../../lib/errors.js';
import type { Architecture } from './architectures.js';
import type { Backend } from './backend.js';
import type { GgufHeader, GgufTensor } from './gguf.js';
import type { Hyperparameters } from './hyperparameters.js';
import { withMemory } from './memory.js';
import { callAsync, GgmlType } from './native/ggml.js';
import type { BufferPtr, BufferTypePtr, ContextPtr, TensorPtr } from './native/pointer.js';

export interface LayerWeights {
  readonly attentionNorm: TensorPtr;
  readonly query: TensorPtr;
  readonly key: TensorPtr;
  readonly value: TensorPtr;
  readonly queryBias?: TensorPtr;
  readonly keyBias?: TensorPtr;
  readonly valueBias?: TensorPtr;
  readonly queryNorm?: TensorPtr;
  readonly keyNorm?: TensorPtr;
  readonly output: TensorPtr;
  readonly outputBias?: TensorPtr;
  readonly attentionPostNorm?: TensorPtr;
  readonly feedForwardNorm: TensorPtr;
  readonly gate: TensorPtr;
  readonly up: TensorPtr;
  readonly down: TensorPtr;
  readonly gateBias?: TensorPtr;
  readonly upBias?: TensorPtr;
  readonly downBias?: TensorPtr;
  readonly feedForwardPostNorm?: TensorPtr;
}

/** A model's weights in the memory of its device. */
export interface Weights {
  /** Missing where the device cannot look rows of it up; see {@link loadHostEmbedding}. */
  readonly embedding: TensorPtr | undefined;
  readonly outputNorm: TensorPtr;
  readonly output: TensorPtr;
  readonly outputBias?: TensorPtr;
  readonly ropeFactors?: TensorPtr;
  readonly layers: readonly LayerWeights[];
  readonly bytes: number;
  /** Tensors that were repacked for this CPU. */
  readonly repacked: number;
  readonly parameters: number;
  dispose(): void;
}

type Role = 'matrix' | 'embedding' | 'vector';

interface Wanted {
  /** Unique among the tensors; differs from the file's name only for a second copy. */
  readonly id: string;
  readonly tensor: GgufTensor;
  readonly role: Role;
}

interface Placed extends Wanted {
  readonly pointer: TensorPtr;
  readonly bufferType: BufferTypePtr;
}

const READ_BLOCK = 4 << 20;
const USAGE_WEIGHTS = 1;

/**
 * Reads all weights into buffers of the device, repacked where the CPU has faster kernels for that.
 * @throws ModelFileError for a missing or misshapen tensor, or a type that the device cannot multiply.
 * @throws OutOfMemoryError
 */
export async function loadWeights(options: {
  backend: Backend;
  header: GgufHeader;
  architecture: Architecture;
  hyperparameters: Hyperparameters;
  /** `host` leaves the embedding out. */
  embedding: 'device' | 'host';
  signal?: AbortSignal | undefined;
  onProgress?: ((share: number) => void) | undefined;
}): Promise<Weights> {
  const { backend, header, hyperparameters: hp } = options;
  const wanted = listWeights(header, options.architecture, hp, backend).filter(
    (item) => item.role !== 'embedding' || options.embedding !== 'host',
  );
  const store = new WeightStore(backend);
  try {
    const placed = await store.load(wanted, options);
    return assemble(placed, store, hp, header);
  } catch (error) {
    store.dispose();
    throw error;
  }
}

/** Whether the device can look rows of the embedding up. */
export function supportsEmbedding(
  backend: Backend,
  header: GgufHeader,
  architecture: Architecture,
  hp: Hyperparameters,
): boolean {
  const embedding = listWeights(header, architecture, hp, backend)[0] as Wanted;
  return new WeightStore(backend).supports(backend.bufferType, embedding);
}

/** The embedding table alone, in the memory of the host. */
export async function loadHostEmbedding(options: {
  host: Backend;
  header: GgufHeader;
  architecture: Architecture;
  hyperparameters: Hyperparameters;
  signal?: AbortSignal | undefined;
}): Promise<{ embedding: TensorPtr; dispose(): void }> {
  const { host, header, architecture, hyperparameters, signal } = options;
  const store = new WeightStore(host);
  try {
    const [embedding] = listWeights(header, architecture, hyperparameters, host);
    const placed = await store.load([embedding as Wanted], { header, signal });
    return { embedding: (placed[0] as Placed).pointer, dispose: () => store.dispose() };
  } catch (error) {
    store.dispose();
    throw error;
  }
}

/** Checks names, shapes and types of everything the graph will use. */
function listWeights(
  header: GgufHeader,
  architecture: Architecture,
  hp: Hyperparameters,
  backend: Backend,
): Wanted[] {
  const { ggml } = backend.runtime;
  const queryWidth = hp.heads * hp.headDim;
  const keyWidth = hp.kvHeads * hp.headDim;
  const wanted: Wanted[] = [];
  const want = (name: string, role: Role, shape: number[], optional = false): void => {
    const tensor = header.tensors.get(name);
    if (!tensor) {
      if (optional) return;
      throw new ModelFileError(header.path, `it lacks the tensor ${name}.`);
    }
    if (tensor.shape.length !== shape.length || tensor.shape.some((n, at) => n !== shape[at])) {
      throw new ModelFileError(
        header.path,
        `its tensor ${name} has the shape ${tensor.shape.join('x')} instead of ${shape.join('x')}.`,
      );
    }
    const bytes = tensorBytes(backend, tensor);
    if (!bytes || (role === 'vector' && tensor.type !== GgmlType.F32)) {
      throw new ModelFileError(
        header.path,
        `its tensor ${name} has the type ${bytes ? ggml.typeName(tensor.type) : tensor.type}, which is not supported there.`,
      );
    }
    if (tensor.offset + bytes > header.fileBytes) {
      throw new ModelFileError(
        header.path,
        `it ends at byte ${header.fileBytes}, before its tensor ${name} does. The copy is incomplete; download it again.`,
      );
    }
    wanted.push({ id: name, tensor, role });
  };
  want('token_embd.weight', 'embedding', [hp.width, hp.vocabSize]);
  want('output_norm.weight', 'vector', [hp.width]);
  want('output.weight', 'matrix', [hp.width, hp.vocabSize], true);
  want('output.bias', 'vector', [hp.vocabSize], true);
  if (architecture.ropeFactors) {
    want('rope_freqs.weight', 'vector', [hp.headDim / 2], true);
  }
  for (let layer = 0; layer < hp.layers; layer++) {
    const at = (name: string): string => `blk.${layer}.${name}`;
    want(at('attn_norm.weight'), 'vector', [hp.width]);
    want(at('attn_q.weight'), 'matrix', [hp.width, queryWidth]);
    want(at('attn_k.weight'), 'matrix', [hp.width, keyWidth]);
    want(at('attn_v.weight'), 'matrix', [hp.width, keyWidth]);
    want(at('attn_q.bias'), 'vector', [queryWidth], true);
    want(at('attn_k.bias'), 'vector', [keyWidth], true);
    want(at('attn_v.bias'), 'vector', [keyWidth], true);
    want(at('attn_output.weight'), 'matrix', [queryWidth, hp.width]);
    want(at('attn_output.bias'), 'vector', [hp.width], true);
    if (architecture.headNorms) {
      want(at('attn_q_norm.weight'), 'vector', [hp.headDim]);
      want(at('attn_k_norm.weight'), 'vector', [hp.headDim]);
    }
    if (architecture.postNorms) {
      want(at('post_attention_norm.weight'), 'vector', [hp.width]);
      want(at('post_ffw_norm.weight'), 'vector', [hp.width]);
    }
    want(at('ffn_norm.weight'), 'vector', [hp.width]);
    want(at('ffn_gate.weight'), 'matrix', [hp.width, hp.feedForward]);
    want(at('ffn_up.weight'), 'matrix', [hp.width, hp.feedForward]);
    want(at('ffn_down.weight'), 'matrix', [hp.feedForward, hp.width]);
    want(at('ffn_gate.bias'), 'vector', [hp.feedForward], true);
    want(at('ffn_up.bias'), 'vector', [hp.feedForward], true);
    want(at('ffn_down.bias'), 'vector', [hp.width], true);
  }
  const embedding = wanted[0] as Wanted;
  if (!header.tensors.has('output.weight')) {
    // Tied: the embedding also serves as the output matrix, and may need a second layout for that.
    wanted.push({ id: 'output.weight', tensor: embedding.tensor, role: 'matrix' });
  }
  return wanted;
}

/** Bytes of a tensor, or 0 when its type is unknown or its rows are no whole number of blocks. */
function tensorBytes(backend: Backend, tensor: GgufTensor): number {
  const { ggml } = backend.runtime;
  if (tensor.type < 0 || tensor.type >= TYPE_COUNT || noWeights.has(tensor.type)) return 0;
  const block = Number(ggml.blockSize(tensor.type));
  const [row = 1, ...rest] = tensor.shape;
  if (block < 1 || row % block) return 0;
  const rows = rest.reduce((a, b) => a * b, 1);
  return (row / block) * Number(ggml.typeSize(tensor.type)) * rows;
}

const TYPE_COUNT = 43;
/**
 * Types that ggml knows but has no kernels for as weights, which it finds out only when it computes, and
 * ends the process: q8_1, q8_K, whole numbers and f64.
 */
const noWeights: ReadonlySet<number> = new Set([9, 15, 24, 25, 26, 27, 28]);

/** Owns the contexts and buffers that hold weights. */
class WeightStore {
  readonly #backend: Backend;
  readonly #contexts: ContextPtr[] = [];
  readonly #buffers: BufferPtr[] = [];
  bytes = 0;
  repacked = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Takes memory for weights and reads them. @throws OutOfMemoryError, ModelFileError */
  async load(wanted: readonly Wanted[], options: ReadOptions): Promise<Placed[]> {
    const byType = this.#sort(wanted, options.header.path);
    const bytes = this.#bytesOf([...byType.values()].flat());
    // Repacking reads a tensor whole before it is written.
    const repacked = [...byType].flatMap(([type, items]) =>
      type === this.#backend.bufferType ? [] : items.map((item) => this.#bytesOf([item])),
    );
    const needed = repacked.reduce((a, b) => Math.max(a, b), 0) + bytes;
    return withMemory(this.#backend, needed, 'weights', async (onWritten) => {
      const placed = await this.#place(byType);
      await readAll(placed, { ...options, backend: this.#backend, onWritten });
      return placed;
    });
  }

  #bytesOf(items: readonly Wanted[]): number {
    return items.reduce((sum, item) => sum + tensorBytes(this.#backend, item.tensor), 0);
  }

  #sort(wanted: readonly Wanted[], path: string): Map<BufferTypePtr, Wanted[]> {
    const byType = new Map<BufferTypePtr, Wanted[]>();
    const placedAs = new Map<string, BufferTypePtr>();
    for (const item of wanted) {
      const type = this.#choose(item, path);
      placedAs.set(item.id, type);
      // A tied embedding that needs no other layout is one tensor for both uses.
      if (item.id !== item.tensor.name && type === placedAs.get(item.tensor.name)) continue;
      byType.set(type, [...(byType.get(type) ?? []), item]);
    }
    return byType;
  }

  async #place(byType: ReadonlyMap<BufferTypePtr, readonly Wanted[]>): Promise<Placed[]> {
    const { ggml } = this.#backend.runtime;
    const placed: Placed[] = [];
    for (const [bufferType, items] of byType) {
      const ctx = ggml.init({
        mem_size: (items.length + 1) * Number(ggml.tensorOverhead()),
        mem_buffer: null,
        no_alloc: true,
      });
      this.#contexts.push(ctx);
      for (const item of items) {
        placed.push({ ...item, bufferType, pointer: this.#tensor(ctx, item.tensor) });
      }
      const bytes = this.#bytesOf(items);
      const buffer = await callAsync(ggml.allocContextTensors, ctx, bufferType);
      if (!buffer) throw new OutOfMemoryError('weights', bytes, this.#backend.info.name);
      ggml.bufferSetUsage(buffer, USAGE_WEIGHTS);
      this.#buffers.push(buffer);
      this.bytes += bytes;
      if (bufferType !== this.#backend.bufferType) this.repacked += items.length;
    }
    return placed;
  }

  #tensor(ctx: ContextPtr, tensor: GgufTensor): TensorPtr {
    const { ggml } = this.#backend.runtime;
    const [x = 1, y] = tensor.shape;
    return y === undefined
      ? ggml.newTensor1d(ctx, tensor.type, x)
      : ggml.newTensor2d(ctx, tensor.type, x, y);
  }

  /** The first buffer type whose kernels can do what the weight is for. */
  #choose(item: Wanted, path: string): BufferTypePtr {
    const backend = this.#backend;
    if (item.role === 'vector') return backend.bufferType;
    const candidates =
      item.role === 'matrix'
        ? [...backend.extraBufferTypes, backend.bufferType]
        : [backend.bufferType];
    const found = candidates.find((type) => this.supports(type, item));
    if (!found) {
      throw new ModelFileError(
        path,
        `its tensor ${item.tensor.name} has the type ${backend.runtime.ggml.typeName(item.tensor.type)}, which ${backend.info.name} cannot use.`,
      );
    }
    return found;
  }

  supports(type: BufferTypePtr, item: Wanted): boolean {
    const { ggml, koffi } = this.#backend.runtime;
    const ctx = ggml.init({
      mem_size: 8 * Number(ggml.tensorOverhead()),
      mem_buffer: null,
      no_alloc: true,
    });
    let buffer: BufferPtr | null = null;
    try {
      const weight = this.#tensor(ctx, item.tensor);
      const node =
        item.role === 'matrix'
          ? ggml.mulMat(
              ctx,
              weight,
              ggml.newTensor2d(ctx, GgmlType.F32, item.tensor.shape[0] ?? 1, 512),
            )
          : ggml.getRows(ctx, weight, ggml.newTensor1d(ctx, GgmlType.I32, 512));
      // The answer depends on the buffer that the weight is in; an empty one stands for it.
      buffer = ggml.allocBuffer(type, 0);
      if (!buffer) return false;
      koffi.encode(weight, TENSOR_BUFFER_OFFSET, 'void *', buffer);
      return ggml.devSupportsOp(this.#backend.device, node);
    } finally {
      if (buffer) ggml.bufferFree(buffer);
      ggml.free(ctx);
    }
  }

  dispose(): void {
    const { ggml } = this.#backend.runtime;
    for (const buffer of this.#buffers.splice(0)) ggml.bufferFree(buffer);
    for (const ctx of this.#contexts.splice(0)) ggml.free(ctx);
  }
}

/** Offset of `buffer` in `struct ggml_tensor`, after the type. */
const TENSOR_BUFFER_OFFSET = 8;
/** Offset of `data` in `struct ggml_tensor`. */
const TENSOR_DATA_OFFSET = 248;

interface ReadOptions {
  readonly header: GgufHeader;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** Memory for one tensor after another: a new block each time would keep the garbage collector busy. */
class Room {
  #block = Buffer.alloc(0);

  of(bytes: number): Buffer {
    if (this.#block.length < bytes) this.#block = Buffer.allocUnsafeSlow(bytes);
    return this.#block.subarray(0, bytes);
  }
}

async function readAll(
  placed: readonly Placed[],
  options: ReadOptions & { backend: Backend; onWritten: (bytes: number) => void },
): Promise<void> {
  const { backend, header, signal, onProgress, onWritten } = options;
  const inOrder = [...placed].sort((a, b) => a.tensor.offset - b.tensor.offset);
  const total = inOrder.reduce((sum, item) => sum + tensorBytes(backend, item.tensor), 0);
  const file = await open(header.path, 'r');
  const room = new Room();
  let done = 0;
  try {
    for (const item of inOrder) {
      signal?.throwIfAborted();
      await readTensor(file, item, { ...options, room });
      const bytes = tensorBytes(backend, item.tensor);
      onWritten(bytes);
      done += bytes;
      onProgress?.(done / total);
    }
  } finally {
    await file.close();
  }
}

async function readTensor(
  file: FileHandle,
  item: Placed,
  {
    backend,
    header,
    signal,
    room,
  }: { backend: Backend; header: GgufHeader; signal?: AbortSignal | undefined; room: Room },
): Promise<void> {
  const { ggml, koffi } = backend.runtime;
  const bytes = tensorBytes(backend, item.tensor);
  const repacked = item.bufferType !== backend.bufferType;
  if (!repacked && ggml.bufferTypeIsHost(item.bufferType)) {
    const data = koffi.decode(item.pointer, TENSOR_DATA_OFFSET, 'void *') as bigint;
    const view = new Uint8Array(koffi.view(data, bytes));
    for (let at = 0; at < bytes; at += READ_BLOCK) {
      signal?.throwIfAborted();
      const end = Math.min(bytes, at + READ_BLOCK);
      await readExactly(file, view.subarray(at, end), item.tensor.offset + at, header);
    }
    return;
  }
  // Repacking takes the tensor whole; other memory takes it block by block.
  const block = room.of(repacked ? bytes : Math.min(bytes, READ_BLOCK));
  for (let at = 0; at < bytes; at += block.length) {
    signal?.throwIfAborted();
    const part = block.subarray(0, Math.min(block.length, bytes - at));
    await readExactly(file, part, item.tensor.offset + at, header);
    await callAsync(ggml.tensorSet, item.pointer, part, at, part.length);
  }
}

async function readExactly(
  file: FileHandle,
  target: Uint8Array,
  position: number,
  header: GgufHeader,
): Promise<void> {
  for (let at = 0; at < target.length;) {
    const { bytesRead } = await file.read(target, at, target.length - at, position + at);
    if (bytesRead === 0) {
      throw new ModelFileError(header.path, 'it became shorter while it was read.');
    }
    at += bytesRead;
  }
}

function assemble(
  placed: readonly Placed[],
  store: WeightStore,
  hp: Hyperparameters,
  header: GgufHeader,
): Weights {
  const byId = new Map(placed.map((item) => [item.id, item.pointer]));
  const need = (name: string): TensorPtr => {
    const pointer = byId.get(name);
    if (!pointer) throw new DeviceError(`the tensor ${name} was not loaded`);
    return pointer;
  };
  const maybe = <K extends string>(key: K, name: string): { [P in K]?: TensorPtr } => {
    const pointer = byId.get(name);
    return pointer ? ({ [key]: pointer } as { [P in K]: TensorPtr }) : {};
  };
  const layers = Array.from({ length: hp.layers }, (_, layer): LayerWeights => {
    const at = (name: string): string => `blk.${layer}.${name}`;
    return {
      attentionNorm: need(at('attn_norm.weight')),
      query: need(at('attn_q.weight')),
      key: need(at('attn_k.weight')),
      value: need(at('attn_v.weight')),
      output: need(at('attn_output.weight')),
      feedForwardNorm: need(at('ffn_norm.weight')),
      gate: need(at('ffn_gate.weight')),
      up: need(at('ffn_up.weight')),
      down: need(at('ffn_down.weight')),
      ...maybe('queryBias', at('attn_q.bias')),
      ...maybe('keyBias', at('attn_k.bias')),
      ...maybe('valueBias', at('attn_v.bias')),
      ...maybe('queryNorm', at('attn_q_norm.weight')),
      ...maybe('keyNorm', at('attn_k_norm.weight')),
      ...maybe('outputBias', at('attn_output.bias')),
      ...maybe('attentionPostNorm', at('post_attention_norm.weight')),
      ...maybe('gateBias', at('ffn_gate.bias')),
      ...maybe('upBias', at('ffn_up.bias')),
      ...maybe('downBias', at('ffn_down.bias')),
      ...maybe('feedForwardPostNorm', at('post_ffw_norm.weight')),
    };
  });
  let parameters = 0;
  for (const tensor of header.tensors.values()) {
    parameters += tensor.shape.reduce((a, b) => a * b, 1);
  }
  return {
    embedding: byId.get('token_embd.weight'),
    outputNorm: need('output_norm.weight'),
    output: byId.get('output.weight') ?? need('token_embd.weight'),
    ...maybe('outputBias', 'output.bias'),
    ...maybe('ropeFactors', 'rope_freqs.weight'),
    layers,
    bytes: store.bytes,
    repacked: store.repacked,
    parameters,
    dispose: () => store.dispose(),
  };
}
