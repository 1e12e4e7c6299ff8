import type { Chunk } from '../document.js';
import { byScoreThenPlace } from './ranking.js';
import type { ScoredChunk } from './retriever.js';

/** How the results of several retrievers become one list. */
export type Fusion =
  | {
      /**
       * Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): a chunk's score is the sum over lists of
       * `weight / (k + rank)`, ranks from 1. Asks nothing of the scores.
       */
      readonly kind: 'reciprocal-rank';
      /** Default 60, as published. */
      readonly k?: number;
    }
  | {
      /**
       * The sum over lists of `weight * normalised score`. `min-max` takes the scores of a list to [0, 1]; `z-score` to
       * mean 0 and deviation 1, so that one outlier does not press all others together. A chunk that is not in a list
       * has the lowest normalised score of it; where all scores of a list are equal they count 1, and absence 0.
       */
      readonly kind: 'weighted';
      /** Default `min-max`. */
      readonly normalise?: 'min-max' | 'z-score';
    };

export interface RankedList {
  /** Best first. */
  readonly hits: readonly ScoredChunk[];
  /** Not negative. */
  readonly weight: number;
}

/** All chunks of the lists, best first; equal scores by document and place. */
export function fuse(lists: readonly RankedList[], fusion: Fusion): ScoredChunk[] {
  const points =
    fusion.kind === 'reciprocal-rank'
      ? lists.map((list) => byReciprocalRank(list, fusion.k ?? 60))
      : lists.map((list) => byNormalisedScore(list, fusion.normalise ?? 'min-max'));
  const chunks = new Map<string, Chunk>();
  for (const { hits } of lists) {
    for (const { chunk } of hits) if (!chunks.has(chunk.id)) chunks.set(chunk.id, chunk);
  }
  const fused = Array.from(chunks, ([id, chunk]) => ({
    chunk,
    score: points.reduce((sum, { of, absent }) => sum + (of.get(id) ?? absent), 0),
  }));
  return fused.sort(byScoreThenPlace);
}

interface Points {
  readonly of: ReadonlyMap<string, number>;
  /** Of a chunk that the list does not have. */
  readonly absent: number;
}

function byReciprocalRank({ hits, weight }: RankedList, k: number): Points {
  const of = new Map<string, number>();
  for (const [i, { chunk }] of hits.entries()) {
    if (!of.has(chunk.id)) of.set(chunk.id, weight / (k + i + 1));
  }
  return { of, absent: 0 };
}

function byNormalisedScore({ hits, weight }: RankedList, normalise: 'min-max' | 'z-score'): Points {
  const values = normalised(
    hits.map(({ score }) => score),
    normalise,
  );
  const of = new Map<string, number>();
  for (const [i, { chunk }] of hits.entries()) {
    if (!of.has(chunk.id)) of.set(chunk.id, weight * (values[i] as number));
  }
  const isFlat = values.every((value) => value === values[0]);
  return { of, absent: isFlat ? 0 : weight * values.reduce((a, b) => Math.min(a, b), Infinity) };
}

/** Scores on a common scale; all 1 where they do not differ. */
export function normalised(scores: readonly number[], how: 'min-max' | 'z-score'): number[] {
  // Lists may be longer than what a call takes as arguments.
  const low = scores.reduce((a, b) => Math.min(a, b), Infinity);
  const range = scores.reduce((a, b) => Math.max(a, b), -Infinity) - low;
  if (!(range > 0)) return scores.map(() => 1);
  if (how === 'min-max') return scores.map((score) => (score - low) / range);
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
  return scores.map((score) => (score - mean) / Math.sqrt(variance));
}
