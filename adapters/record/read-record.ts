import { crc32 } from 'node:zlib';
import { type ChunkKv, layerBytes, type LayerRange } from '../../lib/engine/chunk-kv.js';
import type { ChunkRecord } from '../../lib/store/chunk-store.js';
import { layersToRead } from '../../lib/store/record.js';
import { BadRecord } from './bad-record.js';
import {
  checkPreamble,
  hashBytes,
  headerBytes,
  parseHeader,
  readHits,
  type RecordLayout,
  viewOf,
} from './header.js';
import { type Metadata, parseMetadata } from './metadata.js';
import { blockHash, checkSignature, type SigningKey } from './signature.js';

/** Where a record's bytes come from. */
export interface ByteSource {
  readonly length: number;
  /** Fills `target` from byte `at` on; rejects where there are not enough. */
  read(target: Uint8Array, at: number, signal?: AbortSignal): Promise<void>;
}

export interface ReadRecordOptions {
  /** The record must be of this key; default any. */
  readonly key?: string | undefined;
  /** Refuse what was not signed with it. */
  readonly signingKey?: SigningKey | undefined;
  /** Refuse numbers that are not finite: for records that others may have written. Default false. */
  readonly finite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that are read at once: the next ones come while these are being checked. */
const pieceBytes = 2 ** 20;
/** Enough for the preamble of most records, so that one read gets it. */
const preambleGuess = 8192;

/** A record whose preamble was read and checked, and whose layers can be. */
export class RecordReader {
  readonly metadata: Metadata;
  readonly layout: RecordLayout;
  readonly hits: number;
  readonly #source: ByteSource;
  readonly #preamble: Uint8Array;
  readonly #options: ReadRecordOptions;

  /** Nothing is allocated on a record's word: what it claims is held against the source's length first. @throws BadRecord */
  static async open(source: ByteSource, options: ReadRecordOptions = {}): Promise<RecordReader> {
    const { signal } = options;
    if (source.length < headerBytes) throw new BadRecord('it is cut short');
    let head = new Uint8Array(Math.min(source.length, preambleGuess));
    await source.read(head, 0, signal);
    const layout = parseHeader(head, source.length);
    if (layout.dataOffset > head.byteLength) {
      head = new Uint8Array(layout.dataOffset);
      await source.read(head, 0, signal);
    }
    const preamble = head.subarray(0, layout.dataOffset);
    checkPreamble(preamble);
    checkSignature(preamble, layout, options.signingKey);
    return new RecordReader(source, preamble, layout, options);
  }

  private constructor(
    source: ByteSource,
    preamble: Uint8Array,
    layout: RecordLayout,
    options: ReadRecordOptions,
  ) {
    this.#source = source;
    this.#preamble = preamble;
    this.#options = options;
    this.layout = layout;
    this.hits = readHits(preamble);
    this.metadata = parseMetadata(preamble, layout, options.key);
  }

  /** The whole record. @throws BadRecord */
  async readAll(): Promise<ChunkRecord> {
    const { record } = this.metadata;
    const data = await this.#readLayers(record.kv.layers);
    return { ...record, kv: { ...record.kv, data } };
  }

  /** One layer after another; the next is read while this one is in use. @throws BadRecord */
  async *readLayers(wanted?: LayerRange): AsyncGenerator<ChunkKv> {
    const { kv } = this.metadata.record;
    const { from, to } = layersToRead(kv.layers, wanted);
    const start = (layer: number) => {
      const range = { from: layer, to: layer + 1 };
      const reading = this.#readLayers(range).then((data) => ({ ...kv, data, layers: range }));
      reading.catch(() => {});
      return reading;
    };
    let next = from < to ? start(from) : undefined;
    for (let layer = from; layer < to; layer++) {
      const current = next;
      next = layer + 1 < to ? start(layer + 1) : undefined;
      yield (await current) as ChunkKv;
    }
  }

  async #readLayers({ from, to }: LayerRange): Promise<Uint8Array> {
    const { kv } = this.metadata.record;
    const { stride, dataOffset } = this.layout;
    const raw = layerBytes(kv.layout, kv.tokens.length);
    const first = from - kv.layers.from;
    const count = to - from;
    const data = uninitialised(count * raw);
    // Blocks that are kept as they are used are read straight to where they belong.
    const straight = this.metadata.codec.name === 'f16' && stride === raw;
    const perPiece = Math.max(1, Math.floor(pieceBytes / stride));
    const start = (block: number) => {
      const blocks = Math.min(perPiece, count - block);
      const bytes = straight
        ? data.subarray(block * raw, (block + blocks) * raw)
        : uninitialised(blocks * stride);
      const read = this.#source.read(
        bytes,
        dataOffset + (first + block) * stride,
        this.#options.signal,
      );
      read.catch(() => {});
      return { block, blocks, bytes, read };
    };
    let next = start(0);
    for (;;) {
      const { block, blocks, bytes, read } = next;
      await read;
      const after = block + blocks;
      if (after < count) next = start(after);
      for (let i = 0; i < blocks; i++) {
        const stored = bytes.subarray(i * stride, (i + 1) * stride);
        this.#check(stored, first + block + i);
        if (!straight) {
          this.#decode(stored, data.subarray((block + i) * raw, (block + i + 1) * raw));
        }
      }
      if (this.#options.finite) {
        checkFinite(data.subarray(block * raw, after * raw));
      }
      if (after === count) return data;
    }
  }

  #check(stored: Uint8Array, block: number): void {
    const { signed, hashesOffset } = this.layout;
    if (signed && this.#options.signingKey !== undefined) {
      const at = hashesOffset + hashBytes * block;
      const told = this.#preamble.subarray(at, at + hashBytes);
      if (Buffer.compare(told, blockHash(stored)) !== 0) {
        throw new BadRecord(`the hash of its layer block ${block} is wrong`);
      }
    }
    if (crc32(stored) !== viewOf(this.#preamble).getUint32(headerBytes + 4 * block, true)) {
      throw new BadRecord(`the checksum of its layer block ${block} is wrong`);
    }
  }

  #decode(stored: Uint8Array, target: Uint8Array): void {
    const { kv } = this.metadata.record;
    const encoded = stored.subarray(0, this.layout.blockBytes);
    this.metadata.codec.decode(encoded, { layout: kv.layout, tokens: kv.tokens.length }, target);
  }
}

/** A record that is in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.byteLength,
    async read(target, at) {
      if (at + target.byteLength > bytes.byteLength) throw new BadRecord('it is cut short');
      target.set(bytes.subarray(at, at + target.byteLength));
    },
  };
}

/** Memory of its own, not zeroed: all of it is written before anyone sees it. */
function uninitialised(bytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
}

/** Half-precision numbers with all exponent bits set are infinite or none. */
function checkFinite(data: Uint8Array): void {
  for (let i = 1; i < data.length; i += 2) {
    if (((data[i] as number) & 0x7c) === 0x7c)
      throw new BadRecord('it holds numbers that are not finite');
  }
}
