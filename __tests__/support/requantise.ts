import { readFile, writeFile } from 'node:fs/promises';
import { readGguf } from '../../adapters/ggml/gguf.js';
import { encodeRows, ggmlTypeOf, rowBytes } from '../../adapters/models/convert/weight-type.js';
import { readHalves } from '../../lib/engine/half.js';

const alignment = 32;
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Writes a GGUF file of f16 matrices anew with q8_0 ones, by the encoder that makes q8_0 files of safetensors. */
export async function requantise(path: string, target: string): Promise<void> {
  const bytes = await readFile(path);
  const tensors = [...(await readGguf(path)).tensors.values()];
  const [half, small] = [ggmlTypeOf('f16'), ggmlTypeOf('q8_0')];
  const ends = [...tensors.slice(1).map(({ offset }) => offset), bytes.length];
  const made = tensors.map(({ name, type, shape, offset }, i) => {
    const data = bytes.subarray(offset, ends[i]);
    if (type !== half) return { name, type, shape, data };
    const count = shape.reduce((all, length) => all * length, 1);
    if (rowBytes('q8_0', shape[0] as number) === undefined)
      throw new Error(`${name} is too narrow`);
    const values = readHalves(data.subarray(0, 2 * count));
    return { name, type: small, shape, data: encodeRows('q8_0', values) };
  });
  // All before the list of tensors says nothing of their types that a loader goes by.
  const first = Buffer.concat([u64(tensors[0]!.name.length), Buffer.from(tensors[0]!.name)]);
  const parts: Uint8Array[] = [bytes.subarray(0, bytes.indexOf(first))];
  let at = 0;
  for (const { name, type, shape, data } of made) {
    parts.push(u64(name.length), Buffer.from(name), u32(shape.length), ...shape.map(u64));
    parts.push(u32(type), u64(at));
    at += aligned(data.length);
  }
  const length = parts.reduce((all, part) => all + part.length, 0);
  parts.push(new Uint8Array(aligned(length) - length));
  for (const { data } of made) {
    parts.push(data, new Uint8Array(aligned(data.length) - data.length));
  }
  await writeFile(target, Buffer.concat(parts));
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
