import { open, type FileHandle } from 'node:fs/promises';
import { ModelFileError } from '../../lib/errors.js';

/** A tensor as the file's header describes it. */
export interface GgufTensor {
  readonly name: string;
  readonly type: number;
  /** Elements by dimension, fastest first; trailing ones dropped down to one dimension. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
}

export type GgufValue = string | number | boolean | readonly (number | boolean)[] | GgufLongArray;

/** An array that is not kept: strings, or more than 4,096 elements. Vocabularies are left to libllama. */
export interface GgufLongArray {
  readonly length: number;
  readonly long: true;
}

/** The header of a model file. */
export interface GgufHeader {
  readonly path: string;
  readonly fileBytes: number;
  readonly modifiedMs: number;
  readonly values: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 0x46554747;
const MAX_DIMS = 4;
const MAX_KEPT = 4096;
const WINDOW = 1 << 20;

/** Bytes of each scalar value type; strings (8) and arrays (9) are apart. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;

/**
 * Reads and checks the header of a GGUF file (versions 2 and 3). It is read here and not by the native
 * reader, since that one ends the process on some malformed files; what passes here is safe to hand to it.
 * @throws ModelFileError for a file that cannot be read, is no GGUF, is malformed or cut short.
 */
export async function readGguf(path: string): Promise<GgufHeader> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const info = await file.stat();
    if (!info.isFile()) throw new ModelFileError(path, 'it is not a file.');
    return await parse(new Reader(file, path, info.size), info.mtimeMs);
  } catch (cause) {
    if (cause instanceof ModelFileError) throw cause;
    throw new ModelFileError(path, `it cannot be read (${(cause as Error).message}).`, { cause });
  } finally {
    await file?.close();
  }
}

async function parse(reader: Reader, modifiedMs: number): Promise<GgufHeader> {
  if (reader.size < 4 || (await reader.u32()) !== MAGIC) {
    throw reader.error('it is not a GGUF file. Models in other formats must be converted.');
  }
  const version = await reader.u32();
  if (version !== 2 && version !== 3) {
    throw reader.error(`its GGUF version is ${version}; versions 2 and 3 can be read.`);
  }
  const tensorCount = await reader.u64();
  const valueCount = await reader.u64();
  // The smallest entry of either kind takes more bytes than this, so a larger count is a lie.
  if (tensorCount * 24 > reader.size || valueCount * 13 > reader.size) {
    throw reader.error('its header is malformed (counts beyond its size).');
  }

  const values = new Map<string, GgufValue>();
  for (let i = 0; i < valueCount; i++) {
    const key = await reader.string();
    if (!key || values.has(key)) throw reader.error(`its header is malformed (key "${key}").`);
    values.set(key, await readValue(reader, await reader.u32()));
  }

  const alignment = values.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || (alignment & (alignment - 1)) !== 0) {
    throw reader.error('its header is malformed (alignment).');
  }
  const found: GgufTensor[] = [];
  for (let i = 0; i < tensorCount; i++) found.push(await readTensor(reader));
  const data = Math.ceil(reader.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const tensor of found) {
    if (tensors.has(tensor.name)) {
      throw reader.error(`its header is malformed (tensor ${tensor.name} twice).`);
    }
    tensors.set(tensor.name, { ...tensor, offset: data + tensor.offset });
  }
  return { path: reader.path, fileBytes: reader.size, modifiedMs, values, tensors };
}

async function readTensor(reader: Reader): Promise<GgufTensor> {
  const name = await reader.string();
  const dims = await reader.u32();
  if (!name || name.length >= 64 || dims < 1 || dims > MAX_DIMS) {
    throw reader.error(`its header is malformed (tensor "${name.slice(0, 64)}").`);
  }
  const shape: number[] = [];
  let elements = 1;
  for (let d = 0; d < dims; d++) {
    const length = await reader.u64();
    elements *= length;
    if (length < 1 || elements > Number.MAX_SAFE_INTEGER) {
      throw reader.error(`its header is malformed (shape of ${name}).`);
    }
    shape.push(length);
  }
  while (shape.length > 1 && shape.at(-1) === 1) shape.pop();
  const type = await reader.u32();
  return { name, type, shape, offset: await reader.u64() };
}

async function readValue(reader: Reader, type: number): Promise<GgufValue> {
  if (type === STRING) return reader.string();
  if (type === ARRAY) return readArray(reader);
  if (!scalarBytes[type]) throw reader.error(`its header is malformed (value type ${type}).`);
  const [value] = await reader.scalars(type, 1);
  return value as number | boolean;
}

async function readArray(reader: Reader): Promise<GgufValue> {
  const type = await reader.u32();
  const length = await reader.u64();
  if (type === STRING) {
    await reader.skipStrings(length);
    return { length, long: true };
  }
  const bytes = scalarBytes[type];
  if (!bytes || length * bytes > reader.size) {
    throw reader.error('its header is malformed (array).');
  }
  if (length > MAX_KEPT) {
    await reader.skip(length * bytes);
    return { length, long: true };
  }
  return reader.scalars(type, length);
}

/** Reads forward through a file in windows. */
class Reader {
  readonly path: string;
  readonly size: number;
  readonly #file: FileHandle;
  readonly #window = Buffer.alloc(WINDOW);
  #start = 0;
  #filled = 0;
  position = 0;

  constructor(file: FileHandle, path: string, size: number) {
    this.#file = file;
    this.path = path;
    this.size = size;
  }

  error(problem: string): ModelFileError {
    return new ModelFileError(this.path, problem);
  }

  u32(): Promise<number> | number {
    const at = this.#within(4);
    if (at >= 0) return this.#window.readUInt32LE(at);
    return this.#need(4).then((from) => this.#window.readUInt32LE(from));
  }

  async u64(): Promise<number> {
    const at = this.#within(8);
    const value = this.#window.readBigUInt64LE(at >= 0 ? at : await this.#need(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.error('its header is malformed.');
    return Number(value);
  }

  async string(): Promise<string> {
    const length = await this.u64();
    if (length > 1 << 27) throw this.error('its header is malformed (a string is too long).');
    this.#checkLength(length);
    const parts: Buffer[] = [];
    // Chat templates fit a window; only a hostile file needs more.
    for (let left = length; left > 0;) {
      const step = Math.min(left, WINDOW);
      const at = await this.#need(step);
      parts.push(Buffer.from(this.#window.subarray(at, at + step)));
      left -= step;
    }
    return Buffer.concat(parts).toString('utf8');
  }

  /** Up to `MAX_KEPT` values, which fit a window. */
  async scalars(type: number, count: number): Promise<(number | boolean)[]> {
    const bytes = scalarBytes[type] ?? 0;
    const from = await this.#need(bytes * count);
    return Array.from({ length: count }, (_, i) => this.#scalar(type, from + i * bytes));
  }

  #scalar(type: number, at: number): number | boolean {
    const w = this.#window;
    switch (type) {
      case 0:
        return w.readUInt8(at);
      case 1:
        return w.readInt8(at);
      case 2:
        return w.readUInt16LE(at);
      case 3:
        return w.readInt16LE(at);
      case 4:
        return w.readUInt32LE(at);
      case 5:
        return w.readInt32LE(at);
      case 6:
        return w.readFloatLE(at);
      case 7:
        return w.readUInt8(at) !== 0;
      case 10:
        return Number(w.readBigUInt64LE(at));
      case 11:
        return Number(w.readBigInt64LE(at));
      default:
        return w.readDoubleLE(at);
    }
  }

  /** Passes over the strings of an array. */
  async skipStrings(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      left -= this.#skipStringsWithin(left);
      if (left === 0) break;
      // This one's length lies beyond the window, and reading on is where the event loop gets its turn.
      await this.skip(await this.u64());
      left--;
    }
  }

  /**
   * Passes over strings whose lengths lie in the window: a promise for each of the many strings of a
   * vocabulary would hold up the event loop for tens of milliseconds.
   */
  #skipStringsWithin(most: number): number {
    const w = this.#window;
    let passed = 0;
    for (; passed < most; passed++) {
      const at = this.position - this.#start;
      if (at < 0 || at + 8 > this.#filled) break;
      const high = w.readUInt32LE(at + 4);
      // Refused as malformed where it is read again.
      if (high >= 2 ** 21) break;
      const length = w.readUInt32LE(at) + high * 2 ** 32;
      this.position += 8;
      this.#checkLength(length);
      this.position += length;
    }
    return passed;
  }

  async skip(bytes: number): Promise<void> {
    this.#checkLength(bytes);
    this.position += bytes;
  }

  #checkLength(bytes: number): void {
    if (this.position + bytes > this.size) {
      throw this.error('its header is cut short. The copy is incomplete; download it again.');
    }
  }

  /** Index of the next `bytes` in the window, or -1 when they are not all there. */
  #within(bytes: number): number {
    const at = this.position - this.#start;
    if (at < 0 || at + bytes > this.#filled) return -1;
    this.position += bytes;
    return at;
  }

  async #need(bytes: number): Promise<number> {
    const there = this.#within(bytes);
    if (there >= 0) return there;
    this.#checkLength(bytes);
    const { bytesRead } = await this.#file.read(this.#window, 0, WINDOW, this.position);
    this.#start = this.position;
    this.#filled = bytesRead;
    if (bytesRead < bytes) throw this.error('its header is cut short.');
    this.position += bytes;
    return 0;
  }
}
