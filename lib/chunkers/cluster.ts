import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import type { Embedder } from '../retrieve/embedder.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions, Chunker } from './chunker.js';
import { bordersInStretches, embedUnits, type EmbeddedUnits } from './embedded-stretches.js';
import { prefixSums, squaredSum, textsOf, type Vectors } from './embedded-units.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { mergeUnits } from './merge-units.js';
import type { OnChunkingNotice } from './model/notice.js';
import { spansOfUnits } from './pack.js';
import { bestSegmentation } from './segmentation-dp.js';
import { stage } from './stage.js';
import { unitsOf, type Units } from './units.js';

export interface ClusterChunkerOptions {
  readonly embedder: Embedder;
  /** Most tokens of a chunk, at least 4; default 400. */
  readonly maxTokens?: number;
  /** Most tokens of the pieces that are embedded and joined; default an eighth of `maxTokens`, at least 4. */
  readonly pieceTokens?: number;
  readonly onNotice?: OnChunkingNotice;
}

/**
 * Joins neighbouring pieces so that the similarities within chunks are as high as can be, taken over the whole text:
 * from each similarity of two pieces the mean of all is taken away, and the sum within chunks is maximised exactly
 * (ClusterSemanticChunker of Smith and Troynikov, Evaluating Chunking Strategies for Retrieval, Chroma 2024).
 *
 * Unlike its code, which puts everything before a piece that is like none of its neighbours into one chunk whatever
 * its size, a piece may stay alone; and the mean is made of sums, so memory grows with the text and not with its square.
 *
 * Pieces that the embedder fails on are cut as by {@link contentDefinedChunker}, and `onNotice` is told; after two failures in a row
 * it is asked no more about the document.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it for vectors that are none
 */
export function clusterChunker(options: ClusterChunkerOptions): Chunker {
  const { maxTokens } = checkedLimits({ maxTokens: options.maxTokens ?? 400 });
  const { maxTokens: pieceTokens } = checkedLimits({
    maxTokens: options.pieceTokens ?? Math.max(4, maxTokens >> 3),
  });
  const sizes = { maxTokens, pieceTokens: Math.min(pieceTokens, maxTokens) };
  return {
    name: nameOf('cluster', [maxTokens, options.pieceTokens !== undefined && `of ${pieceTokens}`]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      return chunk(document, options, sizes, chunkOptions);
    },
  };
}

interface Sizes {
  readonly maxTokens: number;
  readonly pieceTokens: number;
}

async function chunk(
  document: TokenizedDocument,
  options: ClusterChunkerOptions,
  sizes: Sizes,
  chunkOptions: ChunkOptions,
): Promise<Chunk[]> {
  const pieces = await runSteps(piecesOf(document, sizes), stage(chunkOptions, 0, 0.1));
  const texts = textsOf(document, pieces.starts, 0);
  const embedded = await embedUnits(
    document,
    pieces,
    texts,
    options,
    stage(chunkOptions, 0.1, 0.9),
  );
  return runSteps(build(document, pieces, embedded, sizes), stage(chunkOptions, 0.9, 1));
}

/** Sentences, the short ones joined to pieces. */
function* piecesOf(document: TokenizedDocument, { maxTokens, pieceTokens }: Sizes): Steps<Units> {
  const units = yield* part(unitsOf(document, pieceTokens, maxTokens), 0, 0.7);
  const borders = yield* part(mergeUnits(document, units, pieceTokens), 0.7, 1);
  const starts = new Int32Array(borders.length + 1);
  for (let i = 0; i < borders.length; i++) starts[i] = units.starts[borders[i] as number] as number;
  starts[borders.length] = document.tokens.ids.length;
  const kinds = Uint8Array.from(borders, (unit) => units.kinds[unit] as number);
  return { size: borders.length, starts, kinds, outline: units.outline };
}

function* build(
  document: TokenizedDocument,
  pieces: Units,
  embedded: EmbeddedUnits,
  sizes: Sizes,
): Steps<Chunk[]> {
  const borders = yield* part(
    bordersInStretches(document, pieces, embedded, sizes.maxTokens, (own, vectors) =>
      bordersOf(own, vectors, sizes),
    ),
    0,
    0.7,
  );
  const spans = spansOfUnits(document, pieces, borders);
  return yield* part(buildChunks(document, spans, pieces.outline), 0.7, 1);
}

function bordersOf(
  { starts }: Units,
  vectors: Vectors,
  { maxTokens, pieceTokens }: Sizes,
): Steps<number[]> {
  const { dimensions, count } = vectors;
  const sums = prefixSums(vectors);
  // The length of a sum squared is the sum of all similarities, those of a piece to itself included.
  const own = ownSimilarities(vectors);
  const inside = (from: number, to: number) =>
    squaredSum(sums, dimensions, from, to) - ((own[to] as number) - (own[from] as number));
  const pairs = count * (count - 1);
  const mean = pairs > 0 ? inside(0, count) / pairs : 0;
  return bestSegmentation({
    starts,
    // Pieces are often shorter than they may be, and the number of tokens bounds chunks anyway.
    maxUnits: Math.max(1, Math.ceil((2 * maxTokens) / pieceTokens)),
    maxTokens,
    score: (from, to) => inside(from, to) - mean * (to - from) * (to - from - 1),
  });
}

/** Similarities of pieces to themselves, 1 or 0, summed up before each. */
function ownSimilarities({ count, dimensions, values }: Vectors): Float64Array {
  const sums = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) {
    let square = 0;
    for (let k = 0; k < dimensions; k++) square += (values[i * dimensions + k] as number) ** 2;
    sums[i + 1] = (sums[i] as number) + square;
  }
  return sums;
}
