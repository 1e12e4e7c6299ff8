import { crc32 } from 'node:zlib';
import { layerBytes } from '../../lib/engine/chunk-kv.js';
import type { ChunkRecord } from '../../lib/store/chunk-store.js';
import type { KvCodec } from '../../lib/store/codec/codec.js';
import { f16Codec } from '../../lib/store/codec/f16.js';
import {
  hashBytes,
  headerBytes,
  type RecordLayout,
  recordLayout,
  sealPreamble,
  viewOf,
  writeHeader,
} from './header.js';
import { packMetadata } from './metadata.js';
import { blockHash, sign, type SigningKey } from './signature.js';

export interface WriteRecordOptions {
  /** Default {@link f16Codec}. */
  readonly codec?: KvCodec | undefined;
  readonly signingKey?: SigningKey | undefined;
}

/** A run of a record's bytes. */
export interface RecordPiece {
  /** Where it stands in the record. */
  readonly at: number;
  readonly parts: readonly Uint8Array[];
}

/** Bytes of blocks in a piece: enough that a write's own cost does not count, few enough for the event loop. */
const pieceBytes = 2 ** 20;
const padding = new Uint8Array(64);

/**
 * A record as bytes, in pieces: first the blocks, last the preamble, which knows their checksums. So a writer can
 * write one piece while the next is encoded, and what was cut short has no valid preamble.
 */
export class RecordWriter {
  readonly layout: RecordLayout;
  readonly #record: ChunkRecord;
  readonly #codec: KvCodec;
  readonly #signingKey: SigningKey | undefined;
  readonly #preamble: Uint8Array;

  constructor(key: string, record: ChunkRecord, options: WriteRecordOptions = {}) {
    const { kv } = record;
    this.#record = record;
    this.#codec = options.codec ?? f16Codec();
    this.#signingKey = options.signingKey;
    const metadata = packMetadata(key, record, this.#codec);
    this.layout = recordLayout({
      blocks: kv.layers.to - kv.layers.from,
      blockBytes: this.#codec.encodedBytes({ layout: kv.layout, tokens: kv.tokens.length }),
      metadataBytes: metadata.byteLength,
      signed: options.signingKey !== undefined,
    });
    this.#preamble = new Uint8Array(this.layout.dataOffset);
    this.#preamble.set(metadata, this.layout.metadataOffset);
  }

  get bytes(): number {
    return this.layout.bytes;
  }

  *pieces(): Generator<RecordPiece> {
    const { blocks, stride, dataOffset } = this.layout;
    for (let block = 0; block < blocks;) {
      const at = dataOffset + block * stride;
      const parts: Uint8Array[] = [];
      const before = block;
      do parts.push(...this.#block(block++));
      while (block < blocks && (block - before + 1) * stride <= pieceBytes);
      yield { at, parts };
    }
    yield { at: 0, parts: [this.#finishPreamble()] };
  }

  /** The whole record in one buffer. */
  async toBytes(): Promise<Uint8Array> {
    const all = new Uint8Array(this.bytes);
    for (const { at, parts } of this.pieces()) {
      let to = at;
      for (const part of parts) {
        all.set(part, to);
        to += part.byteLength;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    return all;
  }

  #block(index: number): Uint8Array[] {
    const { blockBytes, stride, hashesOffset, signed } = this.layout;
    const { kv } = this.#record;
    const raw = layerBytes(kv.layout, kv.tokens.length);
    let block = kv.data.subarray(index * raw, (index + 1) * raw);
    if (this.#codec.name !== 'f16') {
      const encoded = new Uint8Array(blockBytes);
      this.#codec.encode(block, { layout: kv.layout, tokens: kv.tokens.length }, encoded);
      block = encoded;
    }
    const parts = [block];
    if (stride > blockBytes) parts.push(padding.subarray(0, stride - blockBytes));
    const sum = parts.reduce((checksum, part) => crc32(part, checksum), 0);
    viewOf(this.#preamble).setUint32(headerBytes + 4 * index, sum, true);
    if (signed) {
      const whole = parts.length === 1 ? block : Buffer.concat(parts);
      this.#preamble.set(blockHash(whole), hashesOffset + hashBytes * index);
    }
    return parts;
  }

  #finishPreamble(): Uint8Array {
    writeHeader(this.#preamble, this.layout);
    if (this.#signingKey !== undefined) sign(this.#preamble, this.layout, this.#signingKey);
    sealPreamble(this.#preamble);
    return this.#preamble;
  }
}
