/** What is changed of a tensor in a model file's header. */
export interface TensorEdit {
  /** Of the same length as the name that it replaces. */
  readonly name?: string;
  readonly type?: number;
  /** First dimension. */
  readonly length?: number;
  readonly offset?: number;
}

/** A copy of a model file in which the header describes one tensor differently. */
export function editTensor(file: Buffer, name: string, edit: TensorEdit): Buffer {
  const copy = Buffer.from(file);
  const key = Buffer.alloc(8 + name.length);
  key.writeBigUInt64LE(BigInt(name.length));
  key.write(name, 8);
  const start = copy.indexOf(key);
  if (start < 0) throw new Error(`no tensor ${name}`);
  const dims = start + key.length;
  const type = dims + 4 + copy.readUInt32LE(dims) * 8;
  if (edit.name !== undefined) copy.write(edit.name, start + 8);
  if (edit.length !== undefined) copy.writeBigUInt64LE(BigInt(edit.length), dims + 4);
  if (edit.type !== undefined) copy.writeUInt32LE(edit.type, type);
  if (edit.offset !== undefined) copy.writeBigUInt64LE(BigInt(edit.offset), type + 4);
  return copy;
}

/** A copy in which a number of four bytes under a key of the header is another. */
export function editValue(file: Buffer, key: string, value: number, float = false): Buffer {
  const copy = Buffer.from(file);
  const at = copy.indexOf(key) + key.length + 4;
  if (at < key.length + 4) throw new Error(`no value ${key}`);
  if (float) copy.writeFloatLE(value, at);
  else copy.writeUInt32LE(value, at);
  return copy;
}
