import {
  bootstrap,
  type Interval,
  mean,
  precisionOmega,
  retrievalScores,
  type TextSpan,
  type tokenMeasure,
} from '../../lib/evaluate/index.js';
import type { Chunk, Retriever } from '../../lib/index.js';
import type { ReferencedQuestion } from './data.js';

/** Length of a span. */
type Measure = ReturnType<typeof tokenMeasure>;

/** Tokens that retrieved chunks may have together. */
export const budgets = [750, 1500] as const;
/** Chunks that are asked for: enough to fill the largest budget whatever their sizes. */
const asked = 100;
/** Chunks whose precision and intersection over union are taken, as in Chroma's report. */
const few = 5;

/** Scores of one chunking with one retriever, one a question. */
export interface QuestionScores {
  readonly recall: Readonly<Record<(typeof budgets)[number], Float64Array>>;
  /** In characters. */
  readonly ofFew: FewScores;
  readonly ofFewByTokens: FewScores;
}

/** Of the first five chunks that are found. */
export interface FewScores {
  readonly recall: Float64Array;
  readonly precision: Float64Array;
  readonly iou: Float64Array;
}

/** @param tokens measures spans in tokens */
export async function scoresOf(
  chunks: readonly Chunk[],
  questions: readonly ReferencedQuestion[],
  retriever: Retriever,
  tokens: Measure,
): Promise<QuestionScores> {
  await retriever.add(chunks);
  const column = () => new Float64Array(questions.length);
  const scores = {
    recall: { 750: column(), 1500: column() },
    ofFew: { recall: column(), precision: column(), iou: column() },
    ofFewByTokens: { recall: column(), precision: column(), iou: column() },
  };
  for (const [i, { question, references, by }] of questions.entries()) {
    const ranked = (await retriever.search(question, { k: asked })).map(({ chunk }) => chunk);
    const recallOf = (hits: readonly Chunk[], measure?: Measure): number =>
      by === 'spans'
        ? retrievalScores(hits, references, measure).recall
        : shareOfDocuments(hits, references);
    for (const budget of budgets) {
      scores.recall[budget][i] = recallOf(fittingTogether(ranked, budget));
    }
    const first = ranked.slice(0, few);
    for (const [column, measure] of [
      [scores.ofFew, undefined],
      [scores.ofFewByTokens, tokens],
    ] as const) {
      const { precision, iou } = retrievalScores(first, references, measure);
      column.recall[i] = recallOf(first, measure);
      column.precision[i] = precision;
      column.iou[i] = iou;
    }
  }
  return scores;
}

/**
 * The first of `ranked` that fit a budget together; it ends before the first that does not. What overlaps counts once, as
 * in a prompt for which hits are joined.
 */
export function fittingTogether(ranked: readonly Chunk[], budget: number): Chunk[] {
  const held = new Map<string, Set<number>>();
  const fitting: Chunk[] = [];
  for (const chunk of ranked) {
    const tokens = held.get(chunk.documentId) ?? new Set();
    held.set(chunk.documentId, tokens);
    for (let i = 0; i < chunk.tokens.length; i++) tokens.add(chunk.tokenStart + i);
    let spent = 0;
    for (const { size } of held.values()) spent += size;
    if (spent > budget) break;
    fitting.push(chunk);
  }
  return fitting;
}

function shareOfDocuments(hits: readonly Chunk[], references: readonly TextSpan[]): number {
  const found = new Set(hits.map(({ documentId }) => documentId));
  return mean(references.map(({ documentId }) => (found.has(documentId) ? 1 : 0)));
}

/** Mean over the questions of the precision that a chunking allows. */
export function omegaOf(
  chunks: readonly Chunk[],
  questions: readonly ReferencedQuestion[],
  measure?: Measure,
): number {
  return mean(questions.map(({ references }) => precisionOmega(chunks, references, measure)));
}

/** Mean of `a - b`, whole questions drawn again. */
export function difference(a: Float64Array, b: Float64Array): Interval {
  return bootstrap(a.length, (drawn) => {
    let sum = 0;
    for (const i of drawn) sum += (a[i] as number) - (b[i] as number);
    return sum / drawn.length;
  });
}
