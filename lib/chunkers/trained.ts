import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { part, runSteps, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { cutAtDistances } from './cut-at-distances.js';
import { bordersInStretches, embedUnits, type EmbeddedUnits } from './embedded-stretches.js';
import { textsOf, type Vectors } from './embedded-units.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import type { OnChunkingNotice } from './model/notice.js';
import { spansOfUnits } from './pack.js';
import { bestSegmentation } from './segmentation-dp.js';
import { joinsOf } from './segmenter/joins.js';
import {
  assertEmbedder,
  type LoadedWeights,
  loadWeights,
  type SegmenterWeights,
} from './segmenter/weights.js';
import { stage } from './stage.js';
import { unitsOf, type Units } from './units.js';

export interface TrainedChunkerOptions {
  /** That which the weights were trained with. */
  readonly embedder: Embedder;
  /** Default those that ship with the package, for `all-minilm-l6-v2` (f16) of the native adapter. */
  readonly weights?: SegmenterWeights;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /**
   * Where to cut. A number from 0 to 1: between neighbours that belong together with a lower probability, as published,
   * where it is 0.55. Or a size: so that the probabilities at all cuts, and what sizes are off the mean, come to the least;
   * default `{ meanTokens: half of maxTokens }`.
   */
  readonly cut?: number | TrainedCut;
  readonly onNotice?: OnChunkingNotice;
}

export interface TrainedCut {
  /** Size that chunks should have. */
  readonly meanTokens: number;
  /** What a chunk of twice that size costs, a cut between what surely belongs together costing 1; at least 0, default 1. */
  readonly evenness?: number;
}

/** Longest sentence, in tokens; longer ones are cut before they are embedded. */
const sentenceTokens = 120;

/**
 * Cuts where a small network, trained on texts with paragraphs, sees the end of one: it is shown the vectors of each
 * two neighbouring sentences (the segmenter of SAGE, arXiv 2503.01713; no code or weights of it were published, so these
 * are our own). What it says of two sentences depends on no others.
 *
 * With a number as `cut`, a chunk that is too long is cut where the probability is lowest, and short ones stay short.
 * With a size, the sum over chunks of `evenness * (tokens / meanTokens - 1)^2` and of the probability at each cut is
 * minimised exactly.
 *
 * Sentences that the embedder fails on are cut as by {@link contentDefinedChunker}, and `onNotice` is told; after two failures in a row
 * it is asked no more about the document.
 *
 * @throws InvalidArgumentError for options out of range, and weights of another embedder; for those that ship and for
 * damaged ones `chunk()` rejects with it, as for vectors that are none
 */
export function trainedChunker(options: TrainedChunkerOptions): Chunker {
  const { embedder, weights, onNotice } = options;
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { cut = { meanTokens: maxTokens / 2 } } = options;
  if (typeof cut === 'number') {
    if (!(cut >= 0 && cut <= 1)) {
      throw new InvalidArgumentError(`trainedChunker: cut is ${cut}; give 0 to 1, or a size.`);
    }
  } else if (!(cut.meanTokens > 0 && (cut.evenness ?? 1) >= 0 && cut.evenness !== Infinity)) {
    throw new InvalidArgumentError(
      `trainedChunker: cut is ${JSON.stringify(cut)}; give a mean above 0 and an evenness of at least 0.`,
    );
  }
  if (weights) assertEmbedder(weights, embedder);
  const plan = { embedder, weights, maxTokens, cut, ...(onNotice && { onNotice }) };
  return {
    name: nameOf('trained', [
      maxTokens,
      typeof cut === 'number' ? `below ${cut}` : `mean ${Number(cut.meanTokens.toPrecision(6))}`,
      typeof cut !== 'number' && cut.evenness !== undefined && `evenness ${cut.evenness}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

interface Plan {
  readonly embedder: Embedder;
  readonly weights: SegmenterWeights | undefined;
  readonly maxTokens: number;
  readonly cut: number | TrainedCut;
  readonly onNotice?: OnChunkingNotice;
}

async function chunk(
  document: TokenizedDocument,
  plan: Plan,
  chunkOptions: ChunkOptions,
): Promise<Chunk[]> {
  const { embedder, maxTokens } = plan;
  // Loaded here: who never cuts so does without them.
  const weights = plan.weights ?? (await import('./segmenter/minilm-weights.js')).minilmWeights;
  const loaded = loadWeights(weights, embedder);
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(chunkOptions, 0, 0.1));
  const texts = textsOf(document, units.starts, 0);
  const embedded = await embedUnits(document, units, texts, plan, stage(chunkOptions, 0.1, 0.8));
  return runSteps(build(document, units, embedded, loaded, plan), stage(chunkOptions, 0.8, 1));
}

function* build(
  document: TokenizedDocument,
  units: Units,
  embedded: EmbeddedUnits,
  weights: LoadedWeights,
  plan: Plan,
): Steps<Chunk[]> {
  const borders = yield* part(
    bordersInStretches(document, units, embedded, plan.maxTokens, (own, vectors) =>
      bordersOf(own, vectors, weights, plan),
    ),
    0,
    0.8,
  );
  const spans = spansOfUnits(document, units, borders);
  return yield* part(buildChunks(document, spans, units.outline), 0.8, 1);
}

function* bordersOf(
  units: Units,
  vectors: Vectors,
  weights: LoadedWeights,
  { cut, maxTokens }: Plan,
): Steps<number[]> {
  const joins = yield* part(joinsOf(vectors, weights), 0, 0.6);
  if (typeof cut !== 'number') return yield* part(evenly(units, joins, cut, maxTokens), 0.6, 1);
  return cutAtDistances(
    units,
    joins.map((join) => 1 - join),
    1 - cut,
    maxTokens,
  );
}

function evenly(
  { starts, size }: Units,
  joins: Float64Array,
  { meanTokens, evenness = 1 }: TrainedCut,
  maxTokens: number,
): Steps<number[]> {
  return bestSegmentation({
    starts,
    // The number of tokens bounds chunks.
    maxUnits: size,
    maxTokens,
    score: (from, to) => {
      const tokens = (starts[to] as number) - (starts[from] as number);
      const join = from > 0 ? (joins[from - 1] as number) : 0;
      return -evenness * (tokens / meanTokens - 1) ** 2 - join;
    },
  });
}
