import {
  type ChunkKv,
  type ChunkStore,
  encodeChunkAfter,
  encodeDocument,
  InvalidArgumentError,
  type KeyScope,
  type KvEngine,
  type KvSequence,
  meanKv,
  packStatistics,
  type SegmentOptions,
  segmentsOf,
  type Span,
  variantKey,
} from '../../lib/index.js';
import type { Piece } from './prompts.js';

/** A passage's KV and what is known of how it was made. */
export interface EncodedPiece {
  /** Of the passage right after the prefix: what the contexts of others name it by. */
  readonly key: string;
  readonly kv: ChunkKv;
  /** Keys of the passages that it saw, in order. */
  readonly saw: readonly string[];
  /** Tokens that it saw beside the prefix. */
  readonly warmupTokens: number;
  /** Tokens of the prefix that it did not see; absent: it saw all. */
  readonly missedPrefix?: number;
  readonly details?: unknown;
  /** Milliseconds that making it took, when it was made. */
  readonly ms: number;
}

export interface PieceEncoderOptions {
  readonly engine: KvEngine;
  /** The canonical prefix, computed. */
  readonly prefix: KvSequence;
  readonly keys: KeyScope;
  /** What was encoded before is found here. */
  readonly store: ChunkStore;
  /** A fixed passage for the warm-up `text`. */
  readonly neutral: Int32Array;
  /** The same with the first so many tokens of the prefix alone, for warm-ups `X@N`; without it there are none of these. */
  readonly shortened?: (tokens: number) => Promise<PieceEncoderOptions>;
}

export const warmupNames = [
  'prefix',
  'text',
  'preceding-N',
  'document',
  'neighbours-N',
  'both-N',
  'X+Y',
  'X@N',
] as const;

/** Encodes passages as warm-ups say, each once. */
export class PieceEncoder {
  readonly #options: PieceEncoderOptions;
  readonly #shortened = new Map<number, Promise<PieceEncoder>>();

  constructor(options: PieceEncoderOptions) {
    this.#options = options;
  }

  /**
   * @param warmup `prefix`: after nothing but the canonical prefix; `text`: after a fixed neutral passage; `preceding-N`:
   * after the N tokens before it in its document; `document`: in segments of its document, as an ingest does, with
   * `document-N-O` of N tokens, overlapping by O;
   * `neighbours-N`: after the N passages of its corpus that are most like it; `both-N`: those, then 256 preceding tokens;
   * `X+Y`: the mean of what these give; `X@N`: X behind no more than the first N tokens of the canonical prefix.
   */
  async encode(piece: Piece, warmup: string): Promise<EncodedPiece> {
    if (warmup.includes('+')) return this.#mean(piece, warmup.split('+'));
    const [, inner, head] = /^(.+)@(\d+)$/.exec(warmup) ?? [];
    if (inner !== undefined) {
      // What it saw is named by keys behind the whole prefix, as elsewhere.
      const key = await this.#options.keys.key(piece.tokens);
      const encoder = await this.#behind(Number(head));
      const missedPrefix = this.#options.prefix.length - encoder.#options.prefix.length;
      return { ...(await encoder.encode(piece, inner)), key, missedPrefix };
    }
    if (warmup.startsWith('document')) {
      const [, size = 2048, own] = /^document(?:-(\d+)(?:-(\d+))?)?$/.exec(warmup) ?? [];
      const maxTokens = Number(size);
      return this.#fromSegment(piece, { maxTokens, overlap: Number(own ?? 256) });
    }
    const { runs, saw } = this.#before(piece, warmup);
    const before = joined(runs);
    const own = await this.#options.keys.key(piece.tokens);
    const key = before.length > 0 ? await variantKey(own, { warmup: before }) : own;
    const context = {
      key: own,
      saw: await Promise.all(saw.map((tokens) => this.#options.keys.key(tokens))),
      warmupTokens: before.length,
    };
    const { store, prefix } = this.#options;
    const found = await store.get(key);
    if (found) return { ...context, kv: found.kv, ms: found.computeMs };
    const made = await encodeChunkAfter({ prefix, warmup: before, tokens: piece.tokens });
    await store.put(key, { kv: made.kv, computeMs: made.computeMs, created: Date.now() });
    return { ...context, kv: made.kv, ms: made.computeMs };
  }

  #behind(tokens: number): Promise<PieceEncoder> {
    const { shortened } = this.#options;
    if (!shortened) throw new InvalidArgumentError('There are no warm-ups X@N here.');
    const known =
      this.#shortened.get(tokens) ?? shortened(tokens).then((options) => new PieceEncoder(options));
    this.#shortened.set(tokens, known);
    return known;
  }

  async #mean(piece: Piece, warmups: readonly string[]): Promise<EncodedPiece> {
    const parts: EncodedPiece[] = [];
    for (const warmup of warmups) parts.push(await this.encode(piece, warmup));
    const [first] = parts as [EncodedPiece];
    return {
      key: first.key,
      kv: meanKv(parts.map(({ kv }) => kv)),
      saw: [...new Set(parts.flatMap(({ saw }) => saw))],
      warmupTokens: Math.max(...parts.map(({ warmupTokens }) => warmupTokens)),
      details: parts.find(({ details }) => details !== undefined)?.details,
      ms: parts.reduce((sum, { ms }) => sum + ms, 0),
    };
  }

  /** What stands between the prefix and the passage. */
  #before(
    piece: Piece,
    warmup: string,
  ): { runs: readonly Int32Array[]; saw: readonly Int32Array[] } {
    if (warmup === 'prefix') return { runs: [], saw: [] };
    if (warmup === 'text') return { runs: [this.#options.neutral], saw: [] };
    const [, kind, digits] = /^(preceding|neighbours|both)-(\d+)$/.exec(warmup) ?? [];
    const count = Number(digits);
    if (kind === 'preceding') return { runs: [preceding(piece, count)], saw: [] };
    if (kind === undefined) {
      throw new InvalidArgumentError(
        `There is no warm-up "${warmup}"; choose from ${warmupNames.join(', ')}.`,
      );
    }
    const near = piece.neighbours.slice(0, count);
    // The most alike stands last, next to the passage.
    const runs = near.toReversed();
    return { runs: kind === 'both' ? [...runs, preceding(piece, 256)] : runs, saw: runs };
  }

  async #fromSegment(piece: Piece, size: SegmentOptions): Promise<EncodedPiece> {
    const { engine, prefix, keys, store } = this.#options;
    const { document, number } = piece;
    const tokens = joined(document);
    const spans = spansOf(document);
    const segments = segmentsOf(tokens, spans, size);
    const segment = segments.findIndex(
      ({ chunks }) => number >= chunks.start && number < chunks.end,
    );
    const start = segments[segment]?.tokens.start ?? 0;
    const context = async (chunk: number, saw: Span) => ({
      key: await keys.key(document[chunk] as Int32Array),
      saw: await Promise.all(document.slice(saw.start, saw.end).map((run) => keys.key(run))),
      warmupTokens: (spans[chunk]?.start ?? 0) - start,
    });
    const keyOf = async (chunk: number): Promise<string> => {
      const own = await keys.key(document[chunk] as Int32Array);
      const warmup = tokens.slice(start, spans[chunk]?.start);
      return variantKey(own, { warmup, chunks: [own] });
    };
    const first = spans.findIndex(({ end }) => end > start);
    const found = await store.get(await keyOf(number));
    if (found) {
      const about = await context(number, { start: first, end: number });
      return { ...about, kv: found.kv, details: found.details, ms: found.computeMs };
    }
    let wanted: EncodedPiece | undefined;
    const options = {
      model: engine.model,
      prefix,
      tokens,
      spans,
      only: [segment],
      segments: size,
      // As an ingest computes them.
      resume: async () => [],
    };
    for await (const { chunks } of encodeDocument({ ...options, statistics: true })) {
      for (const chunk of chunks) {
        if (!chunk.kv || !chunk.statistics) continue;
        const details = packStatistics(chunk.statistics);
        const record = { kv: chunk.kv, details, computeMs: chunk.computeMs, created: Date.now() };
        await store.put(await keyOf(chunk.number), record);
        if (chunk.number !== number) continue;
        const about = await context(number, chunk.saw);
        wanted = { ...about, kv: chunk.kv, details, ms: chunk.computeMs };
      }
    }
    if (!wanted) throw new InvalidArgumentError('A passage is not in its own document.');
    return wanted;
  }
}

function preceding(piece: Piece, count: number): Int32Array {
  const before = joined(piece.document.slice(0, piece.number));
  return before.slice(Math.max(0, before.length - count));
}

function spansOf(runs: readonly Int32Array[]): Span[] {
  let at = 0;
  return runs.map(({ length }) => ({ start: at, end: (at += length) }));
}

export function joined(runs: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(runs.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const run of runs) {
    all.set(run, at);
    at += run.length;
  }
  return all;
}
