import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { quantile } from '../evaluate/statistics/summary.js';
import { part, runSteps, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { cutAtDistances } from './cut-at-distances.js';
import { dot, embedTexts, textsOf, type Vectors } from './embedded-units.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
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
}

/** Longest sentence, in tokens; longer ones are cut before they are embedded. */
const sentenceTokens = 120;

/**
 * Cuts where the meaning changes: each sentence is embedded together with its neighbours, and the text is cut between
 * those that are farther apart than most (Kamradt, 5 Levels of Text Splitting, level 4; with `meanTokens`, the variant of
 * Chroma's report that hits a size). A chunk that is too long is cut at its own largest distance. One edit may move
 * the percentile and with it every border.
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
  options: Required<SemanticChunkerOptions>,
  chunkOptions: ChunkOptions,
): Promise<Chunk[]> {
  const { embedder, maxTokens, buffer } = options;
  const longest = Math.min(maxTokens, sentenceTokens);
  const units = await runSteps(unitsOf(document, longest, maxTokens), stage(chunkOptions, 0, 0.1));
  const texts = textsOf(document, units.starts, buffer);
  const vectors = await embedTexts(embedder, texts, 'passage', stage(chunkOptions, 0.1, 0.9));
  return runSteps(build(document, units, vectors, options), stage(chunkOptions, 0.9, 1));
}

function* build(
  document: TokenizedDocument,
  units: Units,
  vectors: Vectors,
  { maxTokens, cut }: Required<SemanticChunkerOptions>,
): Steps<Chunk[]> {
  const distances = new Float64Array(Math.max(0, units.size - 1));
  for (let i = 0; i < distances.length; i++) {
    distances[i] = 1 - dot(vectors, i, vectors, i + 1);
    if ((i & 0xff) === 0) yield (0.4 * i) / units.size;
  }
  const threshold = thresholdOf(distances, document.tokens.ids.length, cut);
  const borders = cutAtDistances(units, distances, threshold, maxTokens);
  return yield* part(
    buildChunks(document, spansOfUnits(document, units, borders), units.outline),
    0.4,
    1,
  );
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
