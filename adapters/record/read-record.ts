import { crc32 } from 'node:zlib';
import { type ChunkKv, layerBytes, type LayerRange } from '../../lib/engine/chunk-kv.js';
import type { ChunkRecord } from '../../lib/store/chunk-store.js';
import { layersToRead } from '../../lib/store/record.js';
import { BadRecord } from './bad-record.js';
import { afterHead, type ByteSource, uninitialised } from './byte-source.js';
import { allFinite } from './finite.js';
import {
  checkPreamble,
  hashBytes,
  headerBytes,
  hitsIn,
  hitsOffset,
  parseHeader,
  type RecordLayout,
  viewOf,
} from './header.js';
import { type Metadata, parseMetadata } from './metadata.js';
import { type Blocks, readBlocks } from './read-blocks.js';
import { blockHash, checkSignature, type SigningKey } from './signature.js';

export interface ReadRecordOptions {
  /** The record must be of this key; default any. */
  readonly key?: string | undefined;
  /** Refuse what was not signed with it. */
  readonly signingKey?: SigningKey | undefined;
  /** Refuse numbers that are not finite: for records that others may have written. Default false. */
  readonly finite?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Read first: enough for the preamble of nearly every record, and for the whole of a small one. */
const headGuess = 2 ** 16;

/** A record whose preamble was read and checked, and whose layers can be. */
export class RecordReader {
  readonly metadata: Metadata;
  readonly layout: RecordLayout;
  /** How often it was used, as far as that was written down. */
  readonly hits: number;
  readonly #source: ByteSource;
  readonly #preamble: Uint8Array;
  readonly #options: ReadRecordOptions;
  /** Bytes of a layer as it is used. */
  readonly #raw: number;
  /** Blocks are kept as they are used, so they are read straight to where they belong. */
  readonly #straight: boolean;

  /**
   * Nothing is allocated on a record's word: what it claims is held against the source's length first.
   * @throws BadRecord
   */
  static async open(source: ByteSource, options: ReadRecordOptions = {}): Promise<RecordReader> {
    const { signal } = options;
    if (source.length < headerBytes) throw new BadRecord('it is cut short');
    const head = uninitialised(Math.min(source.length, headGuess));
    await source.read(head, 0, signal);
    const layout = parseHeader(head, source.length);
    const rest = afterHead(head, source);
    let preamble = head.subarray(0, layout.dataOffset);
    if (layout.dataOffset > head.byteLength) {
      preamble = uninitialised(layout.dataOffset);
      await rest.read(preamble, 0, signal);
    }
    checkPreamble(preamble);
    checkSignature(preamble, layout, options.signingKey);
    const hits = await readHits(preamble, source, signal);
    return new RecordReader(rest, preamble, layout, hits, options);
  }

  private constructor(
    source: ByteSource,
    preamble: Uint8Array,
    layout: RecordLayout,
    hits: number,
    options: ReadRecordOptions,
  ) {
    this.#source = source;
    this.#preamble = preamble;
    this.#options = options;
    this.layout = layout;
    this.hits = hits;
    this.metadata = parseMetadata(preamble, layout, options.key);
    const { codec, record } = this.metadata;
    this.#raw = layerBytes(record.kv.layout, record.kv.tokens.length);
    this.#straight = codec.name === 'f16' && layout.stride === this.#raw;
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

  /**
   * All bytes of the record in order, checked as {@link readAll} does, to look through or to copy. What was given out
   * is overwritten once more is asked for.
   * @throws BadRecord
   */
  async *readBytes(): AsyncGenerator<Uint8Array> {
    const { finite, signal } = this.#options;
    yield this.#preamble;
    const decoded = uninitialised(finite ? this.#raw : 0);
    const all = { first: 0, count: this.layout.blocks };
    for await (const blocks of readBlocks(this.#source, this.layout, all, { signal })) {
      for (const [block, stored] of this.#each(blocks)) {
        this.#check(block, stored);
        if (!finite) continue;
        this.#decode(stored, decoded);
        this.#checkFinite(decoded);
      }
      yield blocks.bytes;
    }
  }

  async #readLayers({ from, to }: LayerRange): Promise<Uint8Array> {
    const raw = this.#raw;
    const first = from - this.metadata.record.kv.layers.from;
    const wanted = { first, count: to - from };
    const there = this.#dataInPlace(wanted);
    const data = there ?? uninitialised(wanted.count * raw);
    const { signal } = this.#options;
    const how = { target: this.#straight ? data : undefined, filled: there !== undefined, signal };
    for await (const blocks of readBlocks(this.#source, this.layout, wanted, how)) {
      for (const [block, stored] of this.#each(blocks)) {
        this.#check(block, stored);
        const layer = data.subarray((block - first) * raw, (block - first + 1) * raw);
        if (!this.#straight) this.#decode(stored, layer);
        this.#checkFinite(layer);
      }
    }
    return data;
  }

  /** Of a record that is in memory already, the memory that it is in. */
  #dataInPlace({ first, count }: Pick<Blocks, 'first' | 'count'>): Uint8Array | undefined {
    if (!this.#straight) return undefined;
    const { dataOffset, stride } = this.layout;
    return this.#source.view?.(dataOffset + first * stride, count * stride);
  }

  *#each({ first, count, bytes }: Blocks): Generator<[number, Uint8Array]> {
    const { stride } = this.layout;
    for (let i = 0; i < count; i++) yield [first + i, bytes.subarray(i * stride, (i + 1) * stride)];
  }

  #check(block: number, stored: Uint8Array): void {
    const { signed, hashesOffset } = this.layout;
    if (signed && this.#options.signingKey !== undefined) {
      const at = hashesOffset + hashBytes * block;
      const told = this.#preamble.subarray(at, at + hashBytes);
      if (Buffer.compare(told, blockHash(stored)) === 0) return;
      throw new BadRecord(`the hash of its layer block ${block} is wrong`);
    }
    if (crc32(stored) !== viewOf(this.#preamble).getUint32(headerBytes + 4 * block, true)) {
      throw new BadRecord(`the checksum of its layer block ${block} is wrong`);
    }
  }

  #checkFinite(layer: Uint8Array): void {
    if (this.#options.finite && !allFinite(layer)) {
      throw new BadRecord('it holds numbers that are not finite');
    }
  }

  #decode(stored: Uint8Array, target: Uint8Array): void {
    const { kv } = this.metadata.record;
    const encoded = stored.subarray(0, this.layout.blockBytes);
    this.metadata.codec.decode(encoded, { layout: kv.layout, tokens: kv.tokens.length }, target);
  }
}

/** Somebody may be writing the count in this moment: where it looks damaged, it is read once more. */
async function readHits(
  preamble: Uint8Array,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<number> {
  const place = preamble.subarray(hitsOffset, hitsOffset + 4);
  if (hitsIn(place) === undefined) await source.read(place, hitsOffset, signal);
  const hits = hitsIn(place);
  if (hits === undefined) throw new BadRecord('its count of hits is damaged');
  return hits;
}
