import { InvalidArgumentError } from '../errors.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import { heaviest } from '../reuse/heaviest.js';
import { tokensCovering } from '../reuse/policies/hybrid.js';
import { reorderKnown } from '../rerank/reorder-known.js';
import type { ProbeWork, QuestionProbe } from './question-probe.js';

export interface ReadCandidatesOptions {
  readonly probe: QuestionProbe;
  readonly question: string;
  /** Best first. */
  readonly candidates: readonly ScoredChunk[];
  /** Passages that are meant to be in the prompt; default 8. */
  readonly passages?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** Share of the attention to the best passages whose tokens are to be computed again, in (0, 1]; default 0.6. */
  readonly coverage?: number;
  /** Least and most share of their tokens, in [0, 1]; default 0.02 and 0.3. */
  readonly least?: number;
  readonly most?: number;
  /** {@link QuestionProbeOptions.missing}; default `leave`. */
  readonly missing?: 'encode' | 'leave';
  readonly signal?: AbortSignal;
}

/** What one pass of a question over cached candidates says. */
export interface CandidateReading {
  /**
   * All candidates, those first that the question looks at most; one whose keys and values are missing keeps its place. Scores as of
   * {@link attentionReranker}.
   */
  readonly ranking: readonly ScoredChunk[];
  /** For each of the best passages the tokens that it looks at most, ascending, to be computed again. */
  readonly refresh: readonly { readonly chunkId: string; readonly tokens: Int32Array }[];
  /** Share of the best passages' tokens that these are: small where the question looks at few. */
  readonly ratio: number;
  /**
   * How much the question looks at the best passages, in units of how much it looks at the prefix and at itself. Lower where they
   * do not answer it, but it differs more from question to question than an answer adds: it compares passages for one question, and
   * one threshold for all questions tells little (measured in docs/question-probe.md).
   */
  readonly evidence: number;
  /** Candidates that were not looked at. */
  readonly missing: number;
  readonly work: ProbeWork;
}

/**
 * Reads up to some hundred candidates in one pass of the question's tokens through the lower and middle layers: the chunks stand side
 * by side, none in sight of another (as in Set-Based Prompting, arXiv 2406.06581), so their KV is exact and the question weighs
 * them against each other. Which tokens to compute again follows `hybridPolicy`: as many as hold most of its attention.
 *
 * @throws InvalidArgumentError, or what the probe throws.
 */
export async function readCandidates(options: ReadCandidatesOptions): Promise<CandidateReading> {
  const { probe, question, candidates, passages = 8, layers, missing = 'leave', signal } = options;
  const { coverage = 0.6, least = 0.02, most = 0.3 } = options;
  if (!Number.isSafeInteger(passages) || passages < 1) {
    throw new InvalidArgumentError(
      `readCandidates: passages is ${passages}; give a whole number of at least 1.`,
    );
  }
  if (!(coverage > 0 && coverage <= 1 && least >= 0 && least <= most && most <= 1)) {
    throw new InvalidArgumentError(
      `readCandidates: coverage ${coverage}, least ${least} and most ${most} are to be shares, least no more than most.`,
    );
  }
  const seen = await probe.attention(
    candidates.map(({ chunk }) => chunk),
    { question, missing, ...(layers && { layers }), ...(signal && { signal }) },
  );
  const masses = new Map(candidates.map(({ chunk }, i) => [chunk.id, seen.chunks[i]]));
  const scores = seen.chunks.map((tokens) => tokens && total(tokens));
  const ranking = reorderKnown(candidates, scores);
  const best = ranking.slice(0, passages).filter(({ chunk }) => masses.get(chunk.id));
  const rows = best.map(({ chunk }) => masses.get(chunk.id));
  const tokens = rows.reduce((sum, row) => sum + (row?.length ?? 0), 0);
  const count = Math.min(
    Math.round(most * tokens),
    Math.max(Math.round(least * tokens), tokensCovering(rows, coverage)),
  );
  const picked = heaviest(rows, count);
  return {
    ranking,
    refresh: best.map(({ chunk }, i) => ({ chunkId: chunk.id, tokens: picked[i] as Int32Array })),
    ratio: tokens > 0 ? count / tokens : 0,
    evidence: rows.reduce((sum, row) => sum + (row ? total(row) : 0), 0),
    missing: seen.chunks.filter((row) => row === undefined).length,
    work: seen.work,
  };
}

function total(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
