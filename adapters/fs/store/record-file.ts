import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import { recordFormatVersion } from '../../../lib/store/chunk-key.js';
import type { ChunkRecord } from '../../../lib/store/chunk-store.js';
import { recordProblem } from '../../../lib/store/record.js';

/*
 * A file, little-endian:
 *    0  magic "CWKV"           16  bytes of a layer block (u64)   40  CRC-32 of all before the first block,
 *    4  format version (u32)   24  where the blocks begin (u64)       these four bytes left out
 *    8  metadata bytes (u32)   32  length of the file (u64)       44  zeros
 *   12  number of blocks (u32)
 *   64  CRC-32 of each block with its padding (u32 each), then metadata (msgpack), then zeros
 * Blocks follow, keys before values, each padded with zeros to a multiple of 64 bytes.
 */

const magic = 0x564b5743;
const headerBytes = 64;
const alignment = 64;
/** Bytes between two pauses of checksumming, so that the event loop gets its turn. */
const pieceBytes = 2 ** 20;
const padding = new Uint8Array(alignment);
const packer = new Packr({ useRecords: false });

/** A file that is no whole record. Never leaves the store. */
export class CorruptRecord extends Error {}

interface Shape {
  readonly blocks: number;
  readonly blockBytes: number;
  /** Bytes of a block with its padding. */
  readonly stride: number;
  readonly dataOffset: number;
  readonly metadataBytes: number;
  readonly fileBytes: number;
}

/** The parts of a record's file, in order. */
export async function recordParts(key: string, record: ChunkRecord): Promise<Uint8Array[]> {
  const { kv } = record;
  const metadata = packer.pack({
    key,
    fingerprint: kv.fingerprint,
    layout: { ...kv.layout },
    layers: { ...kv.layers },
    tokens: tokenBytes(kv.tokens),
    computeMs: record.computeMs,
    created: record.created,
  });
  const blocks = kv.layers.to - kv.layers.from;
  const shape = shapeOf(blocks, kv.data.byteLength / blocks, metadata.byteLength);
  const { blockBytes, stride, dataOffset } = shape;

  const preamble = new Uint8Array(dataOffset);
  const view = new DataView(preamble.buffer);
  const parts: Uint8Array[] = [preamble];
  let sincePause = 0;
  for (let i = 0; i < blocks; i++) {
    const block = kv.data.subarray(i * blockBytes, (i + 1) * blockBytes);
    const pad = padding.subarray(0, stride - blockBytes);
    view.setUint32(headerBytes + 4 * i, crc32(pad, crc32(block)), true);
    parts.push(block);
    if (pad.byteLength > 0) parts.push(pad);
    sincePause += blockBytes;
    if (sincePause < pieceBytes) continue;
    sincePause = 0;
    await pause();
  }
  view.setUint32(0, magic, true);
  view.setUint32(4, recordFormatVersion, true);
  view.setUint32(8, shape.metadataBytes, true);
  view.setUint32(12, blocks, true);
  view.setBigUint64(16, BigInt(blockBytes), true);
  view.setBigUint64(24, BigInt(dataOffset), true);
  view.setBigUint64(32, BigInt(shape.fileBytes), true);
  preamble.set(metadata, headerBytes + 4 * blocks);
  view.setUint32(40, preambleChecksum(preamble), true);
  return parts;
}

/**
 * Reads and checks a whole record. Lengths are held against the file's before anything is allocated.
 * @throws CorruptRecord for anything but the record that was put under `key`.
 */
export async function readRecord(
  handle: FileHandle,
  fileBytes: number,
  key: string,
  signal?: AbortSignal,
): Promise<ChunkRecord> {
  const shape = parseHeader(await readExactly(handle, headerBytes, 0), fileBytes);
  const preamble = await readExactly(handle, shape.dataOffset, 0);
  const view = new DataView(preamble.buffer, preamble.byteOffset, preamble.byteLength);
  if (view.getUint32(40, true) !== preambleChecksum(preamble)) throw new CorruptRecord('preamble');
  const record = parseMetadata(preamble, shape, key);
  await readBlocks(handle, shape, view, record.kv.data, signal);
  return record;
}

function parseHeader(header: Uint8Array, fileBytes: number): Shape {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (view.getUint32(0, true) !== magic) throw new CorruptRecord('magic');
  if (view.getUint32(4, true) !== recordFormatVersion) throw new CorruptRecord('version');
  const blocks = view.getUint32(12, true);
  const shape = shapeOf(blocks, Number(view.getBigUint64(16, true)), view.getUint32(8, true));
  const told = [view.getBigUint64(24, true), view.getBigUint64(32, true)];
  if (blocks === 0 || !Number.isSafeInteger(shape.fileBytes) || shape.fileBytes !== fileBytes) {
    throw new CorruptRecord('length');
  }
  if (told[0] !== BigInt(shape.dataOffset) || told[1] !== BigInt(fileBytes)) {
    throw new CorruptRecord('offsets');
  }
  return shape;
}

function parseMetadata(preamble: Uint8Array, shape: Shape, key: string): ChunkRecord {
  const start = headerBytes + 4 * shape.blocks;
  let metadata: unknown;
  try {
    metadata = packer.unpack(preamble.subarray(start, start + shape.metadataBytes));
  } catch {
    throw new CorruptRecord('metadata');
  }
  const fields = objectOf(metadata);
  const layout = objectOf(fields['layout']);
  const layers = objectOf(fields['layers']);
  if (fields['key'] !== key) throw new CorruptRecord('key');
  const { fingerprint, tokens } = fields;
  if (
    typeof fingerprint !== 'string' ||
    !ArrayBuffer.isView(tokens) ||
    tokens.byteLength % 4 !== 0
  ) {
    throw new CorruptRecord('metadata');
  }
  const bytes = shape.blocks * shape.blockBytes;
  const record: ChunkRecord = {
    kv: {
      fingerprint,
      layout: {
        layers: numberOf(layout['layers']),
        keyWidth: numberOf(layout['keyWidth']),
        valueWidth: numberOf(layout['valueWidth']),
        type: layout['type'] === 'f16' ? 'f16' : fail('type'),
      },
      layers: { from: numberOf(layers['from']), to: numberOf(layers['to']) },
      tokens: tokensOf(tokens),
      data: new Uint8Array(bytes),
    },
    computeMs: numberOf(fields['computeMs']),
    created: numberOf(fields['created']),
  };
  const count = record.kv.layers.to - record.kv.layers.from;
  if (count !== shape.blocks || recordProblem(record)) throw new CorruptRecord('shape');
  return record;
}

/** Reads whole blocks, some at a time, into `data` and checks each. */
async function readBlocks(
  handle: FileHandle,
  { blocks, blockBytes, stride, dataOffset }: Shape,
  preamble: DataView,
  data: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const perRead = Math.max(1, Math.floor(pieceBytes / stride));
  const scratch = stride === blockBytes ? undefined : new Uint8Array(perRead * stride);
  for (let first = 0; first < blocks; first += perRead) {
    signal?.throwIfAborted();
    const count = Math.min(perRead, blocks - first);
    const piece = scratch
      ? scratch.subarray(0, count * stride)
      : data.subarray(first * stride, (first + count) * stride);
    await fill(handle, piece, dataOffset + first * stride);
    for (let i = 0; i < count; i++) {
      const block = piece.subarray(i * stride, (i + 1) * stride);
      const expected = preamble.getUint32(headerBytes + 4 * (first + i), true);
      if (crc32(block) !== expected) throw new CorruptRecord(`block ${first + i}`);
      if (scratch) data.set(block.subarray(0, blockBytes), (first + i) * blockBytes);
    }
  }
}

function shapeOf(blocks: number, blockBytes: number, metadataBytes: number): Shape {
  const stride = align(blockBytes);
  const dataOffset = align(headerBytes + 4 * blocks + metadataBytes);
  const fileBytes = dataOffset + blocks * stride;
  return { blocks, blockBytes, stride, dataOffset, metadataBytes, fileBytes };
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

function preambleChecksum(preamble: Uint8Array): number {
  return crc32(preamble.subarray(44), crc32(preamble.subarray(0, 40)));
}

async function readExactly(handle: FileHandle, bytes: number, at: number): Promise<Uint8Array> {
  const target = new Uint8Array(bytes);
  await fill(handle, target, at);
  return target;
}

async function fill(handle: FileHandle, target: Uint8Array, at: number): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await handle.read(target, done, target.byteLength - done, at + done);
    if (bytesRead === 0) throw new CorruptRecord('end of file');
    done += bytesRead;
  }
}

function tokenBytes(tokens: Int32Array): Uint8Array {
  const bytes = new Uint8Array(tokens.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < tokens.length; i++) view.setInt32(4 * i, tokens[i] as number, true);
  return bytes;
}

function tokensOf(bytes: ArrayBufferView): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new CorruptRecord('metadata');
  return value as Record<string, unknown>;
}

function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : fail('number');
}

function fail(what: string): never {
  throw new CorruptRecord(what);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
