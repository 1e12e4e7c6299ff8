import type { ChunkOptions, Chunker } from '../../chunkers/chunker.js';
import { type BoundaryCache, memoryBoundaryCache } from '../../chunkers/model/boundary-cache.js';
import {
  type EncodedPassage,
  type PrefixLender,
  singlePassChunker,
  singlePassSegments,
} from '../../chunkers/single-pass.js';
import type { Chunk, TokenizedDocument } from '../../document.js';
import { suffixesAtOnce } from '../../encode/suffix.js';
import { packStatistics } from '../../encode/packed-statistics.js';
import type { Span } from '../../engine/span.js';
import type { ChunkKv } from '../../engine/chunk-kv.js';
import type { KvEngine } from '../../engine/engine.js';
import type { PromptLayout } from '../../prompt.js';
import { variantKey } from '../../store/chunk-key.js';
import type { ChunkStore } from '../../store/chunk-store.js';
import type { BackgroundWriter } from '../background-writer.js';
import type { CellBudget } from '../cell-budget.js';
import type { WantedPassages } from '../wanted-passages.js';
import type { KvLibrary } from '../kv-library.js';
import type { EncodingBase } from '../warmup/encoding-base.js';
import { type PassSizes, passSizes, type SinglePassMode } from './options.js';
import type { PassVectors } from './pass-vectors.js';

export interface SinglePassParts {
  readonly engine: KvEngine;
  readonly layout: PromptLayout;
  readonly prefix: EncodingBase;
  readonly cells: CellBudget;
  readonly library: KvLibrary;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly wanted: WantedPassages;
  /** Whether attention statistics are kept with each passage's KV. */
  readonly statistics: boolean;
  /** Where vectors of passages go; undefined: none are made. */
  readonly vectors: PassVectors | undefined;
}

/** What passes made. */
export interface PassTally {
  readonly chunks: number;
  /** Of the passages; text before segments that is computed again is not counted. */
  readonly tokens: number;
  readonly bytes: number;
}

/** Where a passage's keys and values come from. */
interface Place {
  /** Tokens of its document. */
  readonly ids: Int32Array;
  /** The first that it saw. */
  readonly from: number;
}

const nothing: PassTally = { chunks: 0, tokens: 0, bytes: 0 };

/**
 * Cuts documents and keeps the keys and values of their passages, both from one pass of the model: each passage has seen what
 * precedes it in its segment. What is kept under a passage's key, behind what it saw, is known from the text alone.
 */
export class SinglePass {
  readonly chunker: Chunker;
  readonly #parts: SinglePassParts;
  readonly #mode: SinglePassMode;
  readonly #sizes: PassSizes;
  readonly #separator: Int32Array;
  readonly #boundaries = new Map<string, readonly number[]>();
  readonly #places = new WeakMap<Chunk, Place>();
  #tally = nothing;

  /** @throws InvalidArgumentError */
  constructor(parts: SinglePassParts, mode: SinglePassMode) {
    const { cells, engine, layout } = parts;
    this.#parts = parts;
    this.#mode = mode;
    this.#separator = layout.passage({ tokens: new Int32Array() });
    const context = engine.model.contextLength - layout.prefix.length;
    const room = Math.min(cells.total, context) - suffixesAtOnce * this.#separator.length;
    this.#sizes = passSizes(mode, room);
    const { name } = this.#inner(memoryBoundaryCache(), async () => {});
    this.chunker = { name, chunk: (document, options = {}) => this.#chunk(document, options) };
  }

  /** The key of a passage's keys and values; undefined for one that was not cut here. */
  async find(chunk: Chunk): Promise<string | undefined> {
    const place = this.#places.get(chunk);
    if (!place) return undefined;
    const { key } = await this.#parts.wanted.of(chunk);
    return keyBehind(key, place.ids.slice(place.from, chunk.tokenStart));
  }

  /** What was made since the last call. */
  take(): PassTally {
    const { vectors, wanted } = this.#parts;
    vectors?.forget((key) => wanted.isForgotten(key));
    const tally = this.#tally;
    this.#tally = nothing;
    return tally;
  }

  async #chunk(document: TokenizedDocument, options: ChunkOptions): Promise<Chunk[]> {
    const segments = await singlePassSegments(document, this.#sizes, options.signal);
    const kept: string[] = [];
    try {
      const log = new LoggedBoundaries(this.#boundaries);
      const cut = (cache: BoundaryCache) =>
        this.#inner(cache, (passage) => this.#keep(document, passage, kept)).chunk(
          document,
          options,
        );
      const chunks = await cut(log);
      this.#place(document, segments, chunks);
      // Where it is cut may be known and its keys and values gone.
      const gone = await this.#gone(segments, chunks);
      const again = log.found.filter((key, segment) => key !== '' && gone.has(segment));
      for (const key of again) this.#boundaries.delete(key);
      if (again.length > 0) await cut(log);
      await this.#placeVectors(chunks);
      return chunks;
    } catch (error) {
      await this.#discard(kept);
      throw error;
    }
  }

  #inner(cache: BoundaryCache, onEncoded: (passage: EncodedPassage) => Promise<void>): Chunker {
    const { engine, statistics, vectors } = this.#parts;
    const { maxTokens, segments } = this.#sizes;
    return singlePassChunker({
      ...this.#mode,
      engine,
      maxTokens,
      segments,
      prefix: this.#lender(),
      suffix: this.#separator,
      outputs: { kv: true, statistics, ...(vectors && { pooled: vectors.layer }) },
      cache,
      onEncoded,
    });
  }

  #lender(): PrefixLender {
    const { layout, prefix, cells } = this.#parts;
    return {
      tokens: layout.prefix,
      async lend(count, signal) {
        const lease = await cells.acquire(count, signal);
        try {
          const { sequence } = await prefix.use(signal);
          return { sequence, release: () => lease.release() };
        } catch (error) {
          lease.release();
          throw error;
        }
      },
    };
  }

  async #keep(
    document: TokenizedDocument,
    { tokens, warmup, sawTokens, kv: made, statistics, pooled, computeMs }: EncodedPassage,
    kept: string[],
  ): Promise<void> {
    const { library, writer, vectors } = this.#parts;
    const kv = made as ChunkKv;
    const own = await this.#ownKey(document, tokens);
    const key = await keyBehind(own, document.tokens.ids.slice(warmup.start, warmup.end));
    const chunks = await Promise.all(sawTokens.map((span) => this.#ownKey(document, span)));
    const { documentId, start, end } = placeOf(document, tokens);
    library.keep(
      key,
      {
        kv,
        computeMs,
        created: Date.now(),
        source: { documentId, start, end },
        ...(key !== own && { context: { chunks, warmupTokens: 0 } }),
        ...(statistics && { details: packStatistics(statistics) }),
      },
      async () => {},
    );
    kept.push(key);
    if (pooled) vectors?.keep(key, pooled);
    await writer.room();
    this.#tally = {
      chunks: this.#tally.chunks + 1,
      tokens: this.#tally.tokens + kv.tokens.length,
      bytes: this.#tally.bytes + kv.data.byteLength,
    };
  }

  /** Its key right after the prefix; from here on it is among the passages that are wanted. */
  async #ownKey(document: TokenizedDocument, { start, end }: Span): Promise<string> {
    const tokens = document.tokens.ids.slice(start, end);
    const place = placeOf(document, { start, end });
    const chunk = { ...place, id: '', text: '', tokens, tokenStart: start };
    return (await this.#parts.wanted.of(chunk)).key;
  }

  #place(document: TokenizedDocument, segments: readonly Span[], chunks: readonly Chunk[]): void {
    const { ids } = document.tokens;
    for (const chunk of chunks) {
      const from = segments[segmentOf(segments, chunk)]?.start ?? 0;
      this.#places.set(chunk, { ids, from });
    }
  }

  /** Numbers of segments of which a passage's keys and values, or its vector, are not there. */
  async #gone(segments: readonly Span[], chunks: readonly Chunk[]): Promise<ReadonlySet<number>> {
    const gone = new Set<number>();
    for (const chunk of chunks) {
      const segment = segmentOf(segments, chunk);
      if (gone.has(segment)) continue;
      const key = await this.find(chunk);
      if (key === undefined || !(await this.#isThere(key))) gone.add(segment);
    }
    return gone;
  }

  async #isThere(key: string): Promise<boolean> {
    const { library, vectors } = this.#parts;
    return (vectors?.has(key) ?? true) && (await library.has(key));
  }

  async #placeVectors(chunks: readonly Chunk[]): Promise<void> {
    const { vectors } = this.#parts;
    if (!vectors) return;
    for (const chunk of chunks) {
      const key = await this.find(chunk);
      if (key !== undefined) vectors.place(chunk, key);
    }
  }

  async #discard(keys: readonly string[]): Promise<void> {
    const { writer, store } = this.#parts;
    await writer.idle();
    // A store that does not answer has lost nothing but the room for them.
    for (const key of keys) await store.delete(key).catch(() => false);
  }
}

/** Tells which segments' boundaries were known: their keys, in order, `''` for those that were not. */
class LoggedBoundaries implements BoundaryCache {
  readonly found: string[] = [];
  readonly #entries: Map<string, readonly number[]>;

  constructor(entries: Map<string, readonly number[]>) {
    this.#entries = entries;
  }

  async get(key: string): Promise<readonly number[] | undefined> {
    const known = this.#entries.get(key);
    this.found.push(known ? key : '');
    return known;
  }

  async set(key: string, boundaries: readonly number[]): Promise<void> {
    this.#entries.set(key, boundaries);
  }
}

function keyBehind(own: string, warmup: Int32Array): Promise<string> | string {
  return warmup.length > 0 ? variantKey(own, { warmup }) : own;
}

/** Each segment's own tokens end with it. */
function segmentOf(segments: readonly Span[], { tokenStart }: Chunk): number {
  return segments.findIndex(({ end }) => tokenStart < end);
}

function placeOf({ id: documentId, tokens: { starts } }: TokenizedDocument, { start, end }: Span) {
  return { documentId, start: starts[start] ?? 0, end: starts[end] ?? 0 };
}
