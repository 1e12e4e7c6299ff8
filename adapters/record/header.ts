import { crc32 } from 'node:zlib';
import { recordFormatVersion } from '../../lib/store/chunk-key.js';
import { BadRecord } from './bad-record.js';
import { isUsable, sumBytes, type SumKind } from './block-sums.js';

/*
 * A record, little-endian:
 *    0  magic "CWKV"           16  bytes of a layer block (u64)    40  CRC-32 of the preamble, which is all before the
 *    4  format version (u32)   24  where the blocks begin (u64)        first block, without bytes 40 to 47
 *    8  metadata bytes (u32)   32  length of the record (u64)      44  hits (u16) and their complement (u16)
 *   12  number of blocks (u32)                                     48  1 if signed (u16)
 *                                                                  50  sums: 0 CRC-32, 1 Poly1305 (u16)
 *                                                                  52  salt, if signed (12 bytes)
 *   64  sum of each block with its padding (16 bytes each; a CRC-32 is followed by zeros)
 *       if signed: tag of each block with its padding (16 bytes each), then HMAC-SHA-256 of the preamble, without bytes
 *       40 to 47 and itself
 *       metadata (msgpack), zeros
 * Blocks follow, one a layer, keys before values, in the record's codec, each padded with zeros to a multiple of 64.
 */

const magic = 0x564b5743;
export const headerBytes = 64;
const alignment = 64;
export const signatureBytes = 32;
export const hitsOffset = 44;
export const saltOffset = 52;
const sumKinds: readonly SumKind[] = ['crc32', 'poly1305'];

/** Where everything in a record stands. */
export interface RecordLayout {
  readonly blocks: number;
  readonly blockBytes: number;
  readonly metadataBytes: number;
  readonly signed: boolean;
  readonly sums: SumKind;
  /** Bytes of a block with its padding. */
  readonly stride: number;
  readonly tagsOffset: number;
  readonly signatureOffset: number;
  readonly metadataOffset: number;
  /** Where the blocks begin. */
  readonly dataOffset: number;
  readonly bytes: number;
}

export function recordLayout(
  parts: Pick<RecordLayout, 'blocks' | 'blockBytes' | 'metadataBytes' | 'signed' | 'sums'>,
): RecordLayout {
  const { blocks, blockBytes, metadataBytes, signed } = parts;
  const stride = align(blockBytes);
  const tagsOffset = headerBytes + sumBytes * blocks;
  const signatureOffset = tagsOffset + (signed ? sumBytes * blocks : 0);
  const metadataOffset = signatureOffset + (signed ? signatureBytes : 0);
  const dataOffset = align(metadataOffset + metadataBytes);
  const bytes = dataOffset + blocks * stride;
  return { ...parts, stride, tagsOffset, signatureOffset, metadataOffset, dataOffset, bytes };
}

/** Writes the header; the preamble's checksum comes last, by {@link sealPreamble}. */
export function writeHeader(preamble: Uint8Array, layout: RecordLayout): void {
  const view = viewOf(preamble);
  view.setUint32(0, magic, true);
  view.setUint32(4, recordFormatVersion, true);
  view.setUint32(8, layout.metadataBytes, true);
  view.setUint32(12, layout.blocks, true);
  view.setBigUint64(16, BigInt(layout.blockBytes), true);
  view.setBigUint64(24, BigInt(layout.dataOffset), true);
  view.setBigUint64(32, BigInt(layout.bytes), true);
  view.setUint32(hitsOffset, hitsWord(0), true);
  view.setUint16(48, layout.signed ? 1 : 0, true);
  view.setUint16(50, sumKinds.indexOf(layout.sums), true);
}

/** The version of the format that a record says it has; undefined for what is no record. */
export function formatVersionOf(header: Uint8Array): number | undefined {
  const view = viewOf(header);
  if (header.byteLength < 8 || view.getUint32(0, true) !== magic) return undefined;
  return view.getUint32(4, true);
}

/**
 * Holds a header against the length of what it heads, before anything is allocated for it.
 * @throws BadRecord
 */
export function parseHeader(header: Uint8Array, length: number): RecordLayout {
  if (header.byteLength < headerBytes) throw new BadRecord('it is cut short');
  const view = viewOf(header);
  const version = formatVersionOf(header);
  if (version === undefined) throw new BadRecord('it is no record');
  if (version !== recordFormatVersion) {
    throw new BadRecord(`it has version ${version} of the format`, 'format');
  }
  const signed = view.getUint16(48, true);
  const sums = sumKinds[view.getUint16(50, true)];
  if (signed > 1 || !sums) throw new BadRecord('its flags are unknown');
  const layout = recordLayout({
    metadataBytes: view.getUint32(8, true),
    blocks: view.getUint32(12, true),
    blockBytes: Number(view.getBigUint64(16, true)),
    signed: signed === 1,
    sums,
  });
  if (layout.blocks === 0 || layout.blockBytes === 0) throw new BadRecord('it holds no layers');
  if (!Number.isSafeInteger(layout.bytes) || layout.bytes !== length) {
    throw new BadRecord('its length is not what its header says');
  }
  if (
    view.getBigUint64(24, true) !== BigInt(layout.dataOffset) ||
    view.getBigUint64(32, true) !== BigInt(layout.bytes)
  ) {
    throw new BadRecord('its header contradicts itself');
  }
  if (!isUsable(sums)) throw new BadRecord(`its sums (${sums}) cannot be computed here`, 'format');
  return layout;
}

/** Writes the checksum of a finished preamble. */
export function sealPreamble(preamble: Uint8Array): void {
  viewOf(preamble).setUint32(40, preambleChecksum(preamble), true);
}

/** @throws BadRecord */
export function checkPreamble(preamble: Uint8Array): void {
  if (viewOf(preamble).getUint32(40, true) !== preambleChecksum(preamble)) {
    throw new BadRecord('the checksum of its preamble is wrong');
  }
}

/**
 * How often the record was used, from the four bytes at {@link hitsOffset}. Undefined where they are damaged, or just
 * being written by someone else.
 */
export function hitsIn(bytes: Uint8Array): number | undefined {
  const word = viewOf(bytes).getUint32(0, true);
  const hits = word & 0xffff;
  return hitsWord(hits) === word ? hits : undefined;
}

/** Four bytes to write at {@link hitsOffset}; above 65,535 the count stands still. */
export function hitsBytes(hits: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, hitsWord(Math.min(hits, 0xffff)), true);
  return bytes;
}

function hitsWord(hits: number): number {
  return (hits | ((~hits & 0xffff) << 16)) >>> 0;
}

function preambleChecksum(preamble: Uint8Array): number {
  return crc32(preamble.subarray(48), crc32(preamble.subarray(0, 40)));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
