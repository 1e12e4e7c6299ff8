import { type FileHandle, open } from 'node:fs/promises';
import { ModelFileError } from '../../../lib/errors.js';
import { fromHalf } from '../../../lib/engine/half.js';

/** Bytes of an element of each type that the format knows. */
const elementBytes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** The format's own limit. */
const MOST_HEADER = 100_000_000;

/** A tensor of a safetensors file. */
export interface StoredTensor {
  readonly name: string;
  readonly type: string;
  /** Elements by dimension, slowest first, as PyTorch has them. */
  readonly shape: readonly number[];
  readonly elements: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/** An open safetensors file whose header was checked. */
export interface Safetensors extends AsyncDisposable {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /**
   * Elements `[start, start + count)` of a tensor of F32, F16 or BF16, as singles.
   * @throws ModelFileError for a tensor of another type, or a file that is shorter by now.
   */
  floats(tensor: StoredTensor, start: number, count: number): Promise<Float32Array>;
}

/**
 * Opens a file of the safetensors format: 8 bytes with the length of a JSON header, the header, and then the tensors
 * in one row, without a gap (github.com/huggingface/safetensors).
 * @throws ModelFileError for a file that cannot be read or is malformed: a header that goes beyond the file, an unknown
 * type, bytes that don't add up to the shape, tensors that overlap, leave a gap or end elsewhere than the file does.
 */
export async function openSafetensors(path: string): Promise<Safetensors> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    return new OpenFile(path, file, await readHeader(path, file, size));
  } catch (cause) {
    await file?.close();
    if (cause instanceof ModelFileError) throw cause;
    throw new ModelFileError(path, `it cannot be read (${(cause as Error).message}).`, { cause });
  }
}

async function readHeader(
  path: string,
  file: FileHandle,
  size: number,
): Promise<Map<string, StoredTensor>> {
  const malformed = (detail: string): never => {
    throw new ModelFileError(path, `it is no sound safetensors file (${detail}).`);
  };
  if (size < 8) malformed('it is cut short');
  const length = Number((await readBytes(path, file, 0, 8)).readBigUInt64LE());
  if (length > MOST_HEADER) malformed(`a header of ${length} bytes`);
  if (8 + length > size) malformed('its header goes beyond its end');
  const text = (await readBytes(path, file, 8, length)).toString('utf8');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    malformed('its header is no JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    malformed('its header is no object');
  }
  const data = 8 + length;
  const found: { tensor: StoredTensor; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header as object)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
    const bytes =
      typeof dtype === 'string' && Object.hasOwn(elementBytes, dtype)
        ? (elementBytes[dtype] as number)
        : malformed(`the type of ${name}`);
    if (!areSizes(shape)) return malformed(`the shape of ${name}`);
    if (!areSizes(offsets) || offsets.length !== 2) return malformed(`the place of ${name}`);
    const elements = shape.reduce((product, dimension) => product * dimension, 1);
    const [begin, end] = offsets as [number, number];
    if (end - begin !== elements * bytes) malformed(`${name} has not the bytes of its shape`);
    const tensor = { name, type: dtype as string, shape, elements, offset: data + begin };
    found.push({ tensor, begin, end });
  }
  let at = 0;
  for (const { tensor, begin, end } of found.toSorted(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin < at) malformed(`${tensor.name} overlaps another tensor`);
    if (begin > at) malformed(`nothing lies before ${tensor.name}`);
    at = end;
  }
  if (data + at > size) malformed('it is cut short; fetch it again');
  if (data + at < size) malformed('more lies behind its tensors');
  return new Map(found.map(({ tensor }) => [tensor.name, tensor]));
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

async function readBytes(
  path: string,
  file: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  // Not from the pool: typed arrays are laid over it.
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(bytes, at, length - at, position + at);
    if (bytesRead === 0) throw new ModelFileError(path, 'it became shorter while it was read.');
    at += bytesRead;
  }
  return bytes;
}

class OpenFile implements Safetensors {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly #file: FileHandle;

  constructor(path: string, file: FileHandle, tensors: ReadonlyMap<string, StoredTensor>) {
    this.path = path;
    this.#file = file;
    this.tensors = tensors;
  }

  async floats(tensor: StoredTensor, start: number, count: number): Promise<Float32Array> {
    const read = async (bytes: number): Promise<ArrayBuffer> => {
      const position = tensor.offset + start * bytes;
      const block = await readBytes(this.path, this.#file, position, count * bytes);
      return block.buffer as ArrayBuffer;
    };
    switch (tensor.type) {
      case 'F32':
        return new Float32Array(await read(4));
      case 'F16':
        return Float32Array.from(new Uint16Array(await read(2)), fromHalf);
      case 'BF16': {
        // The upper half of a single.
        const bits = Uint32Array.from(new Uint16Array(await read(2)), (half) => half << 16);
        return new Float32Array(bits.buffer);
      }
      default:
        throw new ModelFileError(
          this.path,
          `its tensor ${tensor.name} is of type ${tensor.type}; F32, F16 and BF16 can be converted.`,
        );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
