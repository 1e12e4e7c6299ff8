import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { quantile } from '../evaluate/statistics/summary.js';
import { part, runSteps, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { cutAtDistances } from './cut-at-distances.js';
import { bordersInStretches, embedUnits, type EmbeddedUnits } from './embedded-stretches.js';
import { dot, textsOf, type Vectors } from './embedded-units.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import type { OnChunkingNotice } from './model/notice.js';
import { spansOfUnits } from './pack.js';
import { stage } from './stage.js';
import { unitsOf, type Units } from './units.js';

export interface SemanticChunkerOptions {
  readonly embedder: Embedder;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /**
   * Where to cut: between neighbours whose distance is above this percentile of all distances, in (0, 100); default 95.
   * Or at as many of the largest distances as give chunks of a mean size: `{ meanTokens: 200 }`.
   */
  readonly cut?: number | { readonly meanTokens: number };
  /** Sentences on each side that are embedded with each one; default 1. */
  readonly buffer?: number;
  readonly onNotice?: OnChunkingNotice;
}

/** Longest sentence, in tokens; longer ones are cut before they are embedded. */
const sentenceTokens = 120;

/**
 * Cuts where the meaning changes: each sentence is embedded together with its neighbours, and the text is cut between
 * those that are farther apart than most (Kamradt, 5 Levels of Text Splitting, level 4; with `meanTokens`, the variant of
 * Chroma's report that hits a size). A chunk that is too long is cut at its own largest distance. One edit may move
 * the percentile and with it every border.
 *
 * Sentences that the embedder fails on are cut as by {@link contentDefinedChunker}, and `onNotice` is told; after two failures in a row
 * it is asked no more about the document.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it for vectors that are none
 */
export function semanticChunker(options: SemanticChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { cut = 95, buffer = 1 } = options;
  if (typeof cut === 'number' ? !(cut > 0 && cut < 100) : !(cut.meanTokens > 0)) {
    throw new InvalidArgumentError(
      `semanticChunker: cut is ${JSON.stringify(cut)}; give a percentile from 0 to 100 or { meanTokens }.`,
    );
  }
  if (!Number.isSafeInteger(buffer) || buffer < 0 || buffer > 16) {
    throw new InvalidArgumentError(`semanticChunker: buffer is ${buffer}; give 0 to 16.`);
  }
  const plan = { ...options, maxTokens, cut, buffer };
  return {
    name: nameOf('semantic', [
      maxTokens,
      typeof cut === 'number' ? `percentile ${cut}` : `mean ${cut.meanTokens}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, plan, chunkOptions);
    },
  };
}

async function chunk(
  document: TokenizedDocument,
  options: Plan,
  chunkOptions: ChunkOptions,
): Promise<Chunk[]> {
  const { maxTokens, buffer } = options;
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(chunkOptions, 0, 0.1));
  const texts = textsOf(document, units.starts, buffer);
  const embedded = await embedUnits(document, units, texts, options, stage(chunkOptions, 0.1, 0.9));
  return runSteps(build(document, units, embedded, options), stage(chunkOptions, 0.9, 1));
}

type Plan = Required<Omit<SemanticChunkerOptions, 'onNotice'>> &
  Pick<SemanticChunkerOptions, 'onNotice'>;

function* build(
  document: TokenizedDocument,
  units: Units,
  embedded: EmbeddedUnits,
  { maxTokens, cut }: Plan,
): Steps<Chunk[]> {
  const borders = yield* part(
    bordersInStretches(document, units, embedded, maxTokens, (own, vectors) =>
      bordersOf(own, vectors, cut, maxTokens),
    ),
    0,
    0.4,
  );
  return yield* part(
    buildChunks(document, spansOfUnits(document, units, borders), units.outline),
    0.4,
    1,
  );
}

function* bordersOf(
  units: Units,
  vectors: Vectors,
  cut: Plan['cut'],
  maxTokens: number,
): Steps<number[]> {
  const distances = new Float64Array(Math.max(0, units.size - 1));
  for (let i = 0; i < distances.length; i++) {
    distances[i] = 1 - dot(vectors, i, vectors, i + 1);
    if ((i & 0xff) === 0) yield i / units.size;
  }
  const tokens = (units.starts[units.size] as number) - (units.starts[0] as number);
  return cutAtDistances(units, distances, thresholdOf(distances, tokens, cut), maxTokens);
}

function thresholdOf(
  distances: Float64Array,
  tokens: number,
  cut: number | { readonly meanTokens: number },
): number {
  if (distances.length === 0) return Infinity;
  if (typeof cut === 'number') return quantile(distances, cut / 100);
  const cuts = Math.round(tokens / cut.meanTokens) - 1;
  if (cuts <= 0) return Infinity;
  // The largest distance that is not cut at.
  return distances.toSorted().at(-cuts - 1) ?? -Infinity;
}
