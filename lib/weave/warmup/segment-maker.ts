import type { ModelInfo } from '../../engine/model-info.js';
import { packStatistics } from '../../encode/packed-statistics.js';
import { type EncodedDocumentChunk, encodeDocument } from '../../encode/encode-document.js';
import type { SegmentOptions } from '../../encode/segments.js';
import type { ChunkKv } from '../../engine/chunk-kv.js';
import type { CostModel } from '../../reuse/cost/cost-model.js';
import type { ChunkRecord, ChunkStore } from '../../store/chunk-store.js';
import { inParallel } from '../../store/in-parallel.js';
import type { BackgroundWriter } from '../background-writer.js';
import type { CellBudget } from '../cell-budget.js';
import type { Claims } from '../claims.js';
import type { KvLibrary } from '../kv-library.js';
import { isAsMade, sumOf } from './as-made.js';
import type { PlannedChunk, PlannedSegment } from './document-plan.js';
import type { EncodingBase } from './encoding-base.js';
import { type MakeOptions, Once } from './once.js';

export interface SegmentMakerOptions {
  readonly model: ModelInfo;
  readonly prefix: EncodingBase;
  readonly cells: CellBudget;
  readonly library: KvLibrary;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
  /** As the documents were planned. */
  readonly segments: SegmentOptions;
  /** Most variants of a passage that are kept. */
  readonly maxVariants: number;
  /** Whether attention statistics are kept with each passage's KV; default false. */
  readonly statistics?: boolean;
}

interface MadeOfSegment {
  readonly chunks: readonly PlannedChunk[];
  /** Tokens that were computed for them, the overlap's included. */
  readonly computed: number;
}

/** Asked of the store at once. */
const parallel = 8;

/**
 * Computes segments of documents and keeps the KV of their passages. Two callers who want the same segment compute
 * it once, also in two processes where the store gives leases.
 */
export class SegmentMaker {
  readonly #options: SegmentMakerOptions;
  readonly #once: Once;

  constructor(options: SegmentMakerOptions) {
    this.#options = options;
    this.#once = new Once(options.store);
  }

  /** Milliseconds that computing a segment would take; undefined while nothing was measured. */
  expectedMs({ tokens }: Pick<PlannedSegment, 'tokens'>): number | undefined {
    const { costs, prefix } = this.#options;
    return costs.predictCompute({ tokens, before: prefix.length });
  }

  /**
   * The passages whose KV is not there as the segment gives it. Of those that have as many variants as are kept none is
   * missing: another would push out one of them, which would be missing then, for ever.
   */
  async missing({ chunks }: PlannedSegment): Promise<ReadonlySet<PlannedChunk>> {
    const missing = new Set(chunks.values());
    await inParallel(parallel, [...missing], async (chunk) => {
      const { library } = this.#options;
      if ((await library.has(chunk.key)) || (await this.#hasEnough(chunk))) missing.delete(chunk);
    });
    return missing;
  }

  /**
   * Makes what is missing of a segment, from its first missing passage on where the KV of those before it is as it was
   * made. Resolves to what was made here; without `wait` to undefined while someone else computes it.
   *
   * @throws what the engine throws, or the signal's reason.
   */
  async make(segment: PlannedSegment, options: MakeOptions): Promise<MadeOfSegment | undefined> {
    const computeMs = this.expectedMs(segment);
    let computed = 0;
    const chunks = await this.#once.run(segment.name, { ...options, computeMs }, async (claims) => {
      const made = await this.#makeMissing(segment, claims, options.signal);
      computed = made.computed;
      return made.chunks;
    });
    await this.#options.writer.room();
    return chunks && { chunks, computed };
  }

  async #hasEnough({ own, key }: PlannedChunk): Promise<boolean> {
    if (key === own.key) return false;
    const { store, maxVariants } = this.#options;
    let count = 0;
    try {
      for await (const variant of store.list({ chunk: own.key })) {
        if (variant !== own.key && ++count >= maxVariants) return true;
      }
    } catch {
      // Whoever cannot be asked has none.
    }
    return false;
  }

  async #makeMissing(
    segment: PlannedSegment,
    claims: Claims,
    signal: AbortSignal,
  ): Promise<MadeOfSegment> {
    // Another who had the claim has made them.
    const missing = await this.missing(segment);
    if (missing.size === 0) return { chunks: [], computed: 0 };
    const { records: made, computed } = await this.#compute(segment, missing, signal);
    let left = made.length;
    const done = async (): Promise<void> => {
      left--;
      if (left === 0) await claims.releaseAll();
    };
    for (const [chunk, record] of made) this.#options.library.keep(chunk.key, record, done);
    return { chunks: made.map(([chunk]) => chunk), computed };
  }

  async #compute(
    segment: PlannedSegment,
    missing: ReadonlySet<PlannedChunk>,
    signal: AbortSignal,
  ): Promise<{ records: [PlannedChunk, ChunkRecord][]; computed: number }> {
    const { model, prefix, cells, costs, segments, statistics = false } = this.#options;
    const { tokens, spans } = segment.plan;
    const records: [PlannedChunk, ChunkRecord][] = [];
    let total = 0;
    const lease = await cells.acquire(segment.tokens, signal);
    try {
      const { sequence } = await prefix.use(signal);
      const encoding = encodeDocument({
        model,
        prefix: sequence,
        tokens,
        spans,
        segments,
        only: [segment.number],
        statistics,
        resume: () => this.#known(segment, missing, signal),
        signal,
      });
      for await (const { chunks, computed, computeMs } of encoding) {
        total += computed;
        const before = prefix.length + segment.tokens - computed;
        costs.observeCompute({ tokens: computed, before }, computeMs);
        for (const encoded of chunks) {
          const chunk = segment.chunks.get(encoded.number);
          if (chunk && missing.has(chunk)) records.push([chunk, recordOf(chunk, encoded)]);
        }
      }
    } finally {
      lease.release();
    }
    return { records, computed: total };
  }

  /** KV of the passages before the first that is missing, as far as it is what this segment's computation gave. */
  async #known(
    { chunks }: PlannedSegment,
    missing: ReadonlySet<PlannedChunk>,
    signal: AbortSignal,
  ): Promise<readonly ChunkKv[]> {
    const known: ChunkKv[] = [];
    for (const chunk of chunks.values()) {
      if (missing.has(chunk)) break;
      const [found] = this.#options.library.find([{ ...chunk.own, key: chunk.key }], signal);
      const record = (await found)?.record;
      if (!record || !isAsMade(record)) break;
      known.push(record.kv);
    }
    return known;
  }
}

function recordOf(
  { own: { source }, context }: PlannedChunk,
  { kv: made, computeMs, statistics }: EncodedDocumentChunk,
): ChunkRecord {
  const kv = made as ChunkKv;
  return {
    kv,
    computeMs,
    created: Date.now(),
    ...(source && { source }),
    ...(context && { context }),
    details: { ...(statistics && packStatistics(statistics)), ...sumOf(kv) },
  };
}
