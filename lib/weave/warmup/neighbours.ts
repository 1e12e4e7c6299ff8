import type { Chunk } from '../../document.js';
import type { Retriever } from '../../retrieve/retriever.js';
import { chunkOf, meanVariantKey } from '../../store/chunk-key.js';
import type { ChunkStore, EncodingContext, RecordInfo } from '../../store/chunk-store.js';
import { variantsOf } from '../../store/variants.js';
import type { Wanted } from '../kv-library.js';
import type { DocumentChunks } from './document-chunks.js';
import type { NeighbourWarmup } from './warmup.js';

export interface NeighboursOptions {
  readonly store: ChunkStore;
  readonly retriever: Retriever;
  readonly documents: DocumentChunks;
  /** A passage's tokens in prompts and the key of its KV right after the prefix. */
  readonly own: (chunk: Chunk) => Promise<Wanted>;
  /** Most neighbours of a passage. */
  readonly count: number;
  /** Tokens before it in its own document that it sees as well. */
  readonly preceding: number;
  /** Whether it sees both in one encoding, or each in one of two. */
  readonly join: NonNullable<NeighbourWarmup['join']>;
  /** Tokens that a computation may hold beside the prefix. */
  readonly room: number;
}

/** A passage and what it is encoded after. */
export interface PlannedPassage {
  readonly own: Wanted;
  /** Of the KV: {@link own}'s where it sees nothing but the prefix. */
  readonly key: string;
  /** What stands between the prefix and the passage: once for each encoding that the KV is the mean of. */
  readonly warmups: readonly Int32Array[];
  /** Absent where nothing stands there. */
  readonly context?: EncodingContext;
}

/** Text before a passage in its document. */
interface Preceding {
  readonly tokens: Int32Array;
  /** Of the passages that it is of, the first of them perhaps in part. */
  readonly keys: readonly string[];
}

/**
 * Which passages of the corpus a passage is encoded after: those that the retriever finds for its own text, the best
 * last, and the text before it in its document, after them or in an encoding of its own. What the retriever finds
 * changes with the corpus, so neighbours are chosen when KV is made. Later it is found by its notes: a variant is named
 * by the keys of the neighbours, the tokens before it and how it saw both, so nobody takes one that was made otherwise.
 */
export class Neighbours {
  readonly #options: NeighboursOptions;

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** About how many tokens are computed to encode so many, in each encoding. */
  estimate(tokens: number): number[] {
    const { count, preceding, join, room } = this.#options;
    const near = tokens * count;
    const warmups = join === 'mean' && preceding > 0 ? [near, preceding] : [near + preceding];
    return warmups.map((before) => Math.max(tokens, Math.min(room, before + tokens)));
  }

  /** Key of the KV that a passage has in the store: of several, of that which saw most, then the newest. */
  async find(chunk: Chunk, signal?: AbortSignal): Promise<string | undefined> {
    const own = await this.#options.own(chunk);
    const preceding = await this.#preceding(chunk, own);
    if (!preceding) return undefined;
    // A store that does not answer costs a better variant, not the answer.
    const infos = await variantsOf(this.#options.store, own.key, signal ? { signal } : {}).catch(
      () => [],
    );
    signal?.throwIfAborted();
    infos.sort((a, b) => saw(b) - saw(a) || b.created - a.created);
    for (const { key, context } of infos) {
      if (!context || context.warmupTokens > 0 || key === own.key) continue;
      const count = context.chunks.length - preceding.keys.length;
      if (count < 0) continue;
      const chunks = context.chunks.slice(0, count);
      if (key === (await this.#name(own, chunks, preceding))) return key;
    }
    return undefined;
  }

  /** Keys of the passages that have any variant in the store: for looking at many at once. */
  async known(signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const chunks = new Set<string>();
    try {
      for await (const key of this.#options.store.list(signal ? { signal } : {})) {
        if (key !== chunkOf(key)) chunks.add(chunkOf(key));
      }
    } catch {
      signal?.throwIfAborted();
    }
    return chunks;
  }

  /** @throws what the retriever throws, or the signal's reason. */
  async choose(chunk: Chunk, signal?: AbortSignal): Promise<PlannedPassage> {
    const own = await this.#options.own(chunk);
    const preceding = (await this.#preceding(chunk, own)) ?? nothing;
    const near = await this.#near(chunk, own, preceding, signal);
    const { tokens, keys } = preceding;
    if (near.length === 0 && tokens.length === 0) return { own, key: own.key, warmups: [tokens] };
    const chunks = near.map(({ key }) => key);
    const runs = near.map((one) => one.tokens);
    return {
      own,
      key: await this.#name(own, chunks, preceding),
      warmups: this.#isMean(near, preceding) ? [joined(runs), tokens] : [joined([...runs, tokens])],
      // All of it is of passages, so it goes by their keys.
      context: { chunks: [...chunks, ...keys], warmupTokens: 0 },
    };
  }

  /** Whether neighbours and preceding text are seen in two encodings: where one of them is missing, the other is alone. */
  #isMean({ length }: { readonly length: number }, { tokens }: Preceding): boolean {
    return this.#options.join === 'mean' && length > 0 && tokens.length > 0;
  }

  /** @param chunks keys of neighbours. */
  #name({ key }: Wanted, chunks: readonly string[], preceding: Preceding): Promise<string> {
    const warmup = preceding.tokens;
    return meanVariantKey(
      key,
      this.#isMean(chunks, preceding) ? [{ chunks }, { warmup }] : [{ warmup, chunks }],
    );
  }

  /**
   * The best last. Its own text elsewhere is no neighbour, and neither is what stands before the passage in the same
   * encoding anyway.
   */
  async #near(
    chunk: Chunk,
    own: Wanted,
    preceding: Preceding,
    signal?: AbortSignal,
  ): Promise<Wanted[]> {
    const { retriever, count, join, room } = this.#options;
    const beside = join === 'sequence' ? preceding : nothing;
    const taken = new Set([own.key, ...beside.keys]);
    let left = room - own.tokens.length - beside.tokens.length;
    const near: Wanted[] = [];
    const hits = await retriever.search(chunk.text, {
      k: count + taken.size,
      ...(signal && { signal }),
    });
    for (const hit of hits) {
      if (near.length === count) break;
      const wanted = await this.#options.own(hit.chunk);
      if (taken.has(wanted.key)) continue;
      taken.add(wanted.key);
      // The most alike counts most: the first that does not fit is the last that is looked at.
      if (wanted.tokens.length > left) break;
      left -= wanted.tokens.length;
      near.unshift(wanted);
    }
    return near;
  }

  /** Undefined where nobody knows what precedes the passage, or the document is another by now. */
  async #preceding(chunk: Chunk, { key, tokens }: Wanted): Promise<Preceding | undefined> {
    const { documents, own, preceding, room } = this.#options;
    const most = Math.min(preceding, room - tokens.length);
    if (preceding === 0 || most <= 0) return nothing;
    const chunks = documents.of(chunk);
    const number = chunks && documents.numberIn(chunks, chunk);
    if (!chunks || number === undefined) return undefined;
    // Ids name texts. Of another tokenizer's tokens nothing here would be true.
    if ((await own(chunks[number] as Chunk)).key !== key) return undefined;
    const before: Wanted[] = [];
    let length = 0;
    for (let i = number - 1; i >= 0 && length < most; i--) {
      const wanted = await own(chunks[i] as Chunk);
      before.unshift(wanted);
      length += wanted.tokens.length;
    }
    const all = joined(before.map((one) => one.tokens));
    return {
      tokens: all.slice(Math.max(0, length - most)),
      keys: before.map((one) => one.key),
    };
  }
}

function saw({ context }: RecordInfo): number {
  return context?.chunks.length ?? 0;
}

const nothing: Preceding = { tokens: new Int32Array(0), keys: [] };

function joined(runs: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(runs.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const run of runs) {
    all.set(run, at);
    at += run.length;
  }
  return all;
}
