import { open, type FileHandle } from 'node:fs/promises';

/** A value of a file's header, with its GGUF type where JavaScript's does not tell. */
export type GgufInput =
  | string
  | boolean
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly strings: readonly string[] }
  | { readonly booleans: readonly boolean[] }
  | { readonly floats: ArrayLike<number> }
  | { readonly ints: ArrayLike<number> };

/** A tensor that will be written; `write` yields its bytes in order. */
export interface TensorInput {
  readonly name: string;
  readonly type: number;
  /** Elements by dimension, fastest first. */
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Parts may share memory: each is written before the next one is asked for. */
  readonly parts: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

const ALIGNMENT = 32;
const MAGIC = 0x46554747;
const VERSION = 3;
const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/** Writes a GGUF file, tensor by tensor; at no time more than one part of one tensor is in memory. */
export async function writeGguf(
  path: string,
  values: ReadonlyMap<string, GgufInput>,
  tensors: readonly TensorInput[],
): Promise<{ bytes: number }> {
  const file = await open(path, 'w');
  try {
    return await writeTo(file, values, tensors);
  } finally {
    await file.close();
  }
}

async function writeTo(
  file: FileHandle,
  values: ReadonlyMap<string, GgufInput>,
  tensors: readonly TensorInput[],
): Promise<{ bytes: number }> {
  const header = new ByteWriter();
  header.u32(MAGIC);
  header.u32(VERSION);
  header.u64(tensors.length);
  header.u64(values.size);
  for (const [key, value] of values) {
    header.string(key);
    writeValue(header, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    header.string(tensor.name);
    header.u32(tensor.shape.length);
    for (const length of tensor.shape) header.u64(length);
    header.u32(tensor.type);
    header.u64(offset);
    offset += align(tensor.bytes);
  }
  let position = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    await file.write(bytes, 0, bytes.length, position);
    position += bytes.length;
  };
  await write(header.bytes());
  const padding = new Uint8Array(ALIGNMENT);
  const pad = (): Promise<void> => write(padding.subarray(0, align(position) - position));
  await pad();
  for (const tensor of tensors) {
    const start = position;
    for await (const part of tensor.parts()) await write(part);
    if (position - start !== tensor.bytes) {
      throw new Error(
        `tensor ${tensor.name} has ${position - start} bytes instead of ${tensor.bytes}`,
      );
    }
    await pad();
  }
  return { bytes: position };
}

function writeValue(out: ByteWriter, value: GgufInput): void {
  if (typeof value === 'string') {
    out.u32(TYPE.string);
    out.string(value);
  } else if (typeof value === 'boolean') {
    out.u32(TYPE.bool);
    out.u8(value ? 1 : 0);
  } else if ('u32' in value) {
    out.u32(TYPE.u32);
    out.u32(value.u32);
  } else if ('f32' in value) {
    out.u32(TYPE.f32);
    out.f32(value.f32);
  } else if ('strings' in value) {
    out.array(TYPE.string, value.strings.length);
    for (const text of value.strings) out.string(text);
  } else if ('booleans' in value) {
    out.array(TYPE.bool, value.booleans.length);
    for (const item of value.booleans) out.u8(item ? 1 : 0);
  } else if ('floats' in value) {
    out.array(TYPE.f32, value.floats.length);
    for (let i = 0; i < value.floats.length; i++) out.f32(value.floats[i] ?? 0);
  } else {
    out.array(TYPE.i32, value.ints.length);
    for (let i = 0; i < value.ints.length; i++) out.u32((value.ints[i] ?? 0) >>> 0);
  }
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Appends little-endian values to a growing buffer. */
class ByteWriter {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#buffer.writeUInt8(value, at);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  u64(value: number): void {
    const at = this.#room(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
  }

  f32(value: number): void {
    const at = this.#room(4);
    this.#buffer.writeFloatLE(value, at);
  }

  string(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.u64(bytes);
    const at = this.#room(bytes);
    this.#buffer.write(text, at);
  }

  array(type: number, length: number): void {
    this.u32(TYPE.array);
    this.u32(type);
    this.u64(length);
  }

  /** Index of `bytes` more bytes; the buffer may be another one after this. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
    return at;
  }
}
