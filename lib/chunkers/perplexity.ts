import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { runSteps } from '../pace.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { type BoundaryCache, KeptRanges, memoryBoundaryCache } from './model/boundary-cache.js';
import {
  type LossThreshold,
  lossMinima,
  rangesAtMinima,
  sentenceLosses,
} from './model/loss-minima.js';
import { chunksOfRanges } from './model/chunks-of-ranges.js';
import { checkedTarget, type OnChunkingNotice } from './model/notice.js';
import type { TokenLosses } from './model/token-losses.js';
import { joinRanges, sentenceTokens, type UnitRange } from './model/unit-ranges.js';
import { stage } from './stage.js';
import { type Units, unitsOf } from './units.js';

export interface PerplexityChunkerOptions {
  /** For example `engineLosses({ engine })`. */
  readonly losses: TokenLosses;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /**
   * Neighbours are joined while they have at most so many tokens together; default half of `maxTokens`. 0 joins none: take a
   * `threshold` above 0 then.
   */
  readonly targetTokens?: number;
  /**
   * By how many nats a token a sentence's loss must be below that of a neighbour; default 0, which goes with joining;
   * without it the authors took 0.5. `{ dynamic: 0 }` begins with a threshold of 0 and follows the depths of the minima.
   */
  readonly threshold?: LossThreshold;
  /** Whether the sentence at a minimum only closes the chunk before it (default), or also begins the next. */
  readonly boundary?: 'after' | 'overlap';
  /** Where boundaries are kept; default in memory, for as long as the chunker is. */
  readonly cache?: BoundaryCache;
  readonly onNotice?: OnChunkingNotice;
}

/**
 * Cuts behind sentences that a language model foresees best (Meta-Chunking's PPL chunking, arXiv 2410.12788). What is
 * compared is the mean cross-entropy of each sentence's tokens, in nats: the authors' program does not take its
 * exponential, whatever the name, and their thresholds are on this scale. Needs one pass of the model over the text.
 *
 * Where the losses cannot be had, the document is cut as by {@link contentDefinedChunker}, and `onNotice` is told.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function perplexityChunker(options: PerplexityChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { threshold = 0, boundary = 'after', cache = memoryBoundaryCache() } = options;
  const { targetTokens = maxTokens >> 1 } = options;
  checkedTarget('perplexityChunker', targetTokens, maxTokens);
  checkThreshold(threshold);
  const plan = { ...options, maxTokens, targetTokens, threshold, boundary, cache };
  return {
    name: nameOf('perplexity', [
      maxTokens,
      `target ${targetTokens}`,
      typeof threshold === 'number' ? threshold : `dynamic ${threshold.dynamic}`,
      boundary === 'overlap' && 'overlap',
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

function checkThreshold(threshold: LossThreshold): void {
  const first = typeof threshold === 'number' ? threshold : threshold.dynamic;
  if (Number.isFinite(first) && first >= 0) return;
  throw new InvalidArgumentError(
    `perplexityChunker: threshold is ${JSON.stringify(threshold)}; give nats of at least 0, or { dynamic }.`,
  );
}

type Plan = Required<Omit<PerplexityChunkerOptions, 'onNotice'>> &
  Pick<PerplexityChunkerOptions, 'onNotice'>;

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const longest = Math.min(plan.maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, plan.maxTokens), stage(options, 0, 0.1));
  const ranges = await rangesOf(document, units, plan, stage(options, 0.1, 0.9));
  return runSteps(chunksOfRanges(document, units, ranges, plan.maxTokens), stage(options, 0.9, 1));
}

async function rangesOf(
  document: TokenizedDocument,
  units: Units,
  { losses: source, threshold, boundary, targetTokens, cache, onNotice }: Plan,
  options: ChunkOptions,
): Promise<UnitRange[]> {
  const whole = units.size > 0 ? [{ from: 0, to: units.size }] : [];
  if (units.size < 3) return whole;
  const { ids } = document.tokens;
  const kept = await KeptRanges.of(cache, units.size, [
    'perplexity',
    source.fingerprint,
    threshold,
    boundary,
    targetTokens,
    [...units.starts],
    [...ids],
  ]);
  const known = await kept.get();
  if (known) return known;
  const sentences = Array.from({ length: units.size }, (_, i) => ({
    start: units.starts[i] as number,
    end: units.starts[i + 1] as number,
  }));
  try {
    const losses = await source.lossesOf(ids, sentences, options);
    const means = sentenceLosses(losses, sentences);
    if (losses.length !== ids.length || !means.some(Number.isFinite)) {
      throw new InvalidArgumentError(
        `"${source.fingerprint}" gave ${losses.length} losses, ${means.some(Number.isFinite) ? 'some' : 'none'} of them numbers, for ${ids.length} tokens.`,
      );
    }
    const found = rangesAtMinima(units.size, lossMinima(means, threshold), boundary);
    const ranges = joinRanges(units, found, targetTokens);
    await kept.set(ranges);
    return ranges;
  } catch (cause) {
    options.signal?.throwIfAborted();
    onNotice?.({
      kind: 'structural-fallback',
      documentId: document.id,
      start: 0,
      end: document.text.length,
      message: `Document "${document.id}" was cut by its structure: its losses could not be had (${String(cause)}).`,
      cause,
    });
    return whole;
  }
}
