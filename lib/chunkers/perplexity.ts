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
import { rangesInParts } from './model/in-parts.js';
import { checkedTarget, type OnChunkingNotice } from './model/notice.js';
import { contentParts } from './model/parts.js';
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
 * Where the losses of a document cannot be had, they are asked for part by part, in parts of at most 2,048 tokens; a part whose losses
 * cannot be had either is cut as by {@link contentDefinedChunker}, and `onNotice` is told. After two in a row no more are asked for.
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

/** In which a document is asked about whose losses cannot be had in one go. */
const partTokens = { maxTokens: 2048, minTokens: 896 };

async function rangesOf(
  document: TokenizedDocument,
  units: Units,
  plan: Plan,
  options: ChunkOptions,
): Promise<UnitRange[]> {
  const { losses, cache, onNotice } = plan;
  const whole = { from: 0, to: units.size };
  if (units.size < 3) return units.size > 0 ? [whole] : [];
  const { signal } = options;
  const kept = await KeptRanges.of(cache, units.size, keyParts(document, units, whole, plan));
  const known = await kept.get();
  if (known) return known;
  try {
    const ranges = await rangesByLoss(document, units, whole, plan, options);
    await kept.set(ranges);
    return ranges;
  } catch (cause) {
    signal?.throwIfAborted();
    const parts = contentParts(document, units, partTokens);
    if (parts.length > 1) {
      const find = async (part: UnitRange) => ({
        ranges: await rangesByLoss(document, units, part, plan, signal ? { signal } : {}),
      });
      const modelName = losses.fingerprint;
      const work = { document, units, parts, modelName, cache, onNotice, concurrency: 1, find };
      return rangesInParts(
        { ...work, keyParts: (part) => ['part', ...keyParts(document, units, part, plan)] },
        // The first try has told how far it came.
        signal ? { signal } : {},
      );
    }
    onNotice?.({
      kind: 'structural-fallback',
      documentId: document.id,
      start: 0,
      end: document.text.length,
      message: `Document "${document.id}" was cut by its structure: its losses could not be had (${String(cause)}).`,
      cause,
    });
    return [whole];
  }
}

/** Everything that the boundaries of a part depend on. */
function keyParts(
  { tokens: { ids } }: TokenizedDocument,
  { starts }: Units,
  { from, to }: UnitRange,
  { losses, threshold, boundary, targetTokens }: Plan,
): readonly unknown[] {
  const [first = 0, end = 0] = [starts[from], starts[to]];
  return [
    'perplexity',
    losses.fingerprint,
    threshold,
    boundary,
    targetTokens,
    [...starts.subarray(from, to + 1)].map((start) => start - first),
    [...ids.subarray(first, end)],
  ];
}

/** @throws what the losses throw, InvalidArgumentError where they are none */
async function rangesByLoss(
  document: TokenizedDocument,
  { starts, size }: Units,
  { from, to }: UnitRange,
  { losses: source, threshold, boundary, targetTokens }: Plan,
  options: ChunkOptions,
): Promise<UnitRange[]> {
  const own = starts.subarray(from, to + 1);
  const [first = 0, end = 0] = [own[0], own[to - from]];
  const isWhole = from === 0 && to === size;
  const ids = isWhole ? document.tokens.ids : document.tokens.ids.slice(first, end);
  const sentences = Array.from({ length: to - from }, (_, i) => ({
    start: (own[i] as number) - first,
    end: (own[i + 1] as number) - first,
  }));
  const losses = await source.lossesOf(ids, sentences, options);
  const means = sentenceLosses(losses, sentences);
  if (losses.length !== ids.length || !means.some(Number.isFinite)) {
    throw new InvalidArgumentError(
      `"${source.fingerprint}" gave ${losses.length} losses, ${means.some(Number.isFinite) ? 'some' : 'none'} of them numbers, for ${ids.length} tokens.`,
    );
  }
  const found = rangesAtMinima(to - from, lossMinima(means, threshold), boundary);
  const joined = joinRanges({ starts: own }, found, targetTokens);
  return joined.map((range) => ({ from: from + range.from, to: from + range.to }));
}
