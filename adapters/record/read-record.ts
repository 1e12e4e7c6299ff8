import { type ChunkKv, layerBytes, type LayerRange } from '../../lib/engine/chunk-kv.js';
import type { ChunkRecord } from '../../lib/store/chunk-store.js';
import { layersToRead } from '../../lib/store/record.js';
import { BadRecord } from './bad-record.js';
import { BlockTags, checkSum, saltBytes, sumBytes } from './block-sums.js';
import { afterHead, bytesAt, type ByteSource, uninitialised } from './byte-source.js';
import { allFinite } from './finite.js';
import {
  checkPreamble,
  headerBytes,
  hitsIn,
  hitsOffset,
  parseHeader,
  type RecordLayout,
  saltOffset,
} from './header.js';
import { type Metadata, parseMetadata } from './metadata.js';
import { type Blocks, readBlocks } from './read-blocks.js';
import { checkSignature } from './signature.js';
import { type SigningKey } from './signing-key.js';

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
  /** Where the record is signed, and the key is there. */
  readonly #tags: BlockTags | undefined;
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
    const head = await bytesAt(source, 0, Math.min(source.length, headGuess), signal);
    const layout = parseHeader(head, source.length);
    const rest = afterHead(head, source);
    const preamble =
      layout.dataOffset > head.byteLength
        ? await bytesAt(rest, 0, layout.dataOffset, signal)
        : head.subarray(0, layout.dataOffset);
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
    const { signingKey } = options;
    if (signingKey !== undefined) {
      const salt = preamble.subarray(saltOffset, saltOffset + saltBytes);
      this.#tags = new BlockTags(signingKey, salt, layout.sums);
    }
    this.hits = hits;
    this.metadata = parseMetadata(preamble, layout, options.key);
    const { codec, record } = this.metadata;
    this.#raw = layerBytes(record.kv.layout, record.kv.tokens.length);
    this.#straight = codec.name === 'f16' && layout.stride === this.#raw;
  }

  /** The whole record. @throws BadRecord */
  async readAll(): Promise<ChunkRecord> {
    const { record } = this.metadata;
    const data = await this.#readData();
    return { ...record, kv: { ...record.kv, data } };
  }

  /** One layer after another; the next ones are read while this one is in use. @throws BadRecord */
  async *readLayers(wanted?: LayerRange): AsyncGenerator<ChunkKv> {
    const { kv } = this.metadata.record;
    const { from, to } = layersToRead(kv.layers, wanted);
    const { signal } = this.#options;
    const run = { first: from - kv.layers.from, count: to - from };
    const how = { target: this.#straight ? 'own' : 'any', signal } as const;
    for await (const blocks of readBlocks(this.#source, this.layout, run, how)) {
      for (const [block, stored] of this.#each(blocks)) {
        this.#check(block, stored);
        const data = this.#straight ? stored : uninitialised(this.#raw);
        if (!this.#straight) this.#decode(stored, data);
        this.#checkFinite(data);
        const layer = kv.layers.from + block;
        yield { ...kv, data, layers: { from: layer, to: layer + 1 } };
      }
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
    const how = { target: 'any', signal } as const;
    for await (const blocks of readBlocks(this.#source, this.layout, all, how)) {
      for (const [block, stored] of this.#each(blocks)) {
        this.#check(block, stored);
        if (!finite) continue;
        this.#decode(stored, decoded);
        this.#checkFinite(decoded);
      }
      yield blocks.bytes;
    }
  }

  async #readData(): Promise<Uint8Array> {
    const { blocks: count, stride, dataOffset } = this.layout;
    const { signal } = this.#options;
    const raw = this.#raw;
    // Of a record that is in memory already, the memory that it is in.
    const there = this.#straight ? this.#source.view?.(dataOffset, count * stride) : undefined;
    const data = there ?? uninitialised(count * raw);
    const how = { target: this.#straight ? data : ('any' as const), signal };
    const all = { first: 0, count };
    for await (const blocks of readBlocks(this.#source, this.layout, all, how)) {
      for (const [block, stored] of this.#each(blocks)) {
        this.#check(block, stored);
        const layer = data.subarray(block * raw, (block + 1) * raw);
        if (!this.#straight) this.#decode(stored, layer);
        this.#checkFinite(layer);
      }
    }
    return data;
  }

  *#each({ first, count, bytes }: Blocks): Generator<[number, Uint8Array]> {
    const { stride } = this.layout;
    for (let i = 0; i < count; i++) yield [first + i, bytes.subarray(i * stride, (i + 1) * stride)];
  }

  /** A signature says more than a sum, so where there is one, it is enough. */
  #check(block: number, stored: Uint8Array): void {
    const { tagsOffset, sums } = this.layout;
    const at = (this.#tags ? tagsOffset : headerBytes) + sumBytes * block;
    const told = this.#preamble.subarray(at, at + sumBytes);
    if (this.#tags) this.#tags.check(stored, told, block);
    else checkSum(stored, sums, told, block);
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
  let hits = hitsIn(preamble.subarray(hitsOffset));
  if (hits === undefined) {
    const again = new Uint8Array(4);
    await source.read(again, hitsOffset, signal);
    hits = hitsIn(again);
  }
  if (hits === undefined) throw new BadRecord('its count of hits is damaged');
  return hits;
}
