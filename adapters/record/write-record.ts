import { layerBytes } from '../../lib/engine/chunk-kv.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { ChunkRecord } from '../../lib/store/chunk-store.js';
import type { KvCodec } from '../../lib/store/codec/codec.js';
import { f16Codec } from '../../lib/store/codec/f16.js';
import { BlockTags, fastestSum, maxTaggedBytes, newSalt, sumBytes, sumOf } from './block-sums.js';
import { uninitialised } from './byte-source.js';
import {
  headerBytes,
  type RecordLayout,
  recordLayout,
  saltOffset,
  sealPreamble,
  writeHeader,
} from './header.js';
import { packMetadata } from './metadata.js';
import { pieceBytes } from './pieces.js';
import { sign } from './signature.js';
import { type SigningKey } from './signing-key.js';

export interface WriteRecordOptions {
  /** Default {@link f16Codec}. */
  readonly codec?: KvCodec | undefined;
  readonly signingKey?: SigningKey | undefined;
}

/** A run of a record's bytes. */
export interface RecordPiece {
  /** Where it stands in the record. */
  readonly at: number;
  /** The record's own memory where it is kept as it is used, so not to be changed. */
  readonly bytes: Uint8Array;
}

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
  readonly #tags: BlockTags | undefined;

  constructor(key: string, record: ChunkRecord, options: WriteRecordOptions = {}) {
    const { kv } = record;
    this.#record = record;
    this.#codec = options.codec ?? f16Codec();
    this.#signingKey = options.signingKey;
    const metadata = packMetadata(key, record, this.#codec);
    const blockBytes = this.#codec.encodedBytes({
      layout: kv.layout,
      tokens: kv.tokens.length,
    });
    if (options.signingKey !== undefined && blockBytes > maxTaggedBytes) {
      throw new InvalidArgumentError(
        `A layer of ${blockBytes} bytes is too large to be signed; keep chunks smaller.`,
      );
    }
    const sums = fastestSum(blockBytes);
    this.layout = recordLayout({
      blocks: kv.layers.to - kv.layers.from,
      blockBytes,
      metadataBytes: metadata.byteLength,
      signed: options.signingKey !== undefined,
      sums,
    });
    this.#preamble = new Uint8Array(this.layout.dataOffset);
    this.#preamble.set(metadata, this.layout.metadataOffset);
    if (options.signingKey !== undefined) {
      const salt = newSalt();
      this.#preamble.set(salt, saltOffset);
      this.#tags = new BlockTags(options.signingKey, salt, sums);
    }
  }

  get bytes(): number {
    return this.layout.bytes;
  }

  *pieces(): Generator<RecordPiece> {
    const { blocks, stride, dataOffset } = this.layout;
    const atOnce = Math.max(1, Math.ceil(pieceBytes(blocks * stride) / stride));
    for (let first = 0; first < blocks; first += atOnce) {
      const bytes = this.#blocks(first, Math.min(atOnce, blocks - first));
      yield { at: dataOffset + first * stride, bytes };
    }
    yield { at: 0, bytes: this.#finishPreamble() };
  }

  /** The whole record in one buffer. */
  async toBytes(): Promise<Uint8Array> {
    const all = uninitialised(this.bytes);
    for (const { at, bytes } of this.pieces()) {
      all.set(bytes, at);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return all;
  }

  #blocks(first: number, count: number): Uint8Array {
    const { stride } = this.layout;
    const { kv } = this.#record;
    const raw = layerBytes(kv.layout, kv.tokens.length);
    const layers = kv.data.subarray(first * raw, (first + count) * raw);
    const bytes = this.#isStraight(raw) ? layers : this.#encode(layers, raw, count);
    for (let i = 0; i < count; i++) {
      this.#note(first + i, bytes.subarray(i * stride, (i + 1) * stride));
    }
    return bytes;
  }

  #isStraight(raw: number): boolean {
    return this.#codec.name === 'f16' && this.layout.stride === raw;
  }

  #encode(layers: Uint8Array, raw: number, count: number): Uint8Array {
    const { blockBytes, stride } = this.layout;
    const { layout, tokens } = this.#record.kv;
    const encoded = uninitialised(count * stride);
    for (let i = 0; i < count; i++) {
      const block = encoded.subarray(i * stride, (i + 1) * stride);
      const layer = layers.subarray(i * raw, (i + 1) * raw);
      this.#codec.encode(layer, { layout, tokens: tokens.length }, block.subarray(0, blockBytes));
      block.fill(0, blockBytes);
    }
    return encoded;
  }

  /** Remembers what the preamble has to say of a block. */
  #note(index: number, block: Uint8Array): void {
    const { tagsOffset, sums } = this.layout;
    this.#preamble.set(sumOf(block, sums), headerBytes + sumBytes * index);
    if (this.#tags) this.#preamble.set(this.#tags.of(block, index), tagsOffset + sumBytes * index);
  }

  #finishPreamble(): Uint8Array {
    writeHeader(this.#preamble, this.layout);
    if (this.#signingKey !== undefined) sign(this.#preamble, this.layout, this.#signingKey);
    sealPreamble(this.#preamble);
    return this.#preamble;
  }
}
