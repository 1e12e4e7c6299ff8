import {
  bootstrap,
  type Interval,
  mean,
  precisionOmega,
  retrievalScores,
  withinBudget,
} from '../../lib/evaluate/index.js';
import type { Chunk, Retriever } from '../../lib/index.js';
import type { ReferencedQuestion } from './data.js';

/** Tokens that retrieved chunks may have together. */
export const budgets = [750, 1500] as const;
/** Chunks that are asked for: enough to fill the largest budget whatever their sizes. */
const asked = 100;
/** Chunks whose precision and intersection over union are taken, as in Chroma's report. */
const few = 5;

/** Scores of one chunking with one retriever, one a question. */
export interface QuestionScores {
  readonly recall: Readonly<Record<(typeof budgets)[number], Float64Array>>;
  readonly recallOfFew: Float64Array;
  readonly precisionOfFew: Float64Array;
  readonly iouOfFew: Float64Array;
}

export async function scoresOf(
  chunks: readonly Chunk[],
  questions: readonly ReferencedQuestion[],
  retriever: Retriever,
): Promise<QuestionScores> {
  await retriever.add(chunks);
  const column = () => new Float64Array(questions.length);
  const scores = {
    recall: { 750: column(), 1500: column() },
    recallOfFew: column(),
    precisionOfFew: column(),
    iouOfFew: column(),
  };
  for (const [i, { question, references }] of questions.entries()) {
    const ranked = (await retriever.search(question, { k: asked })).map(({ chunk }) => chunk);
    for (const budget of budgets) {
      const fitting = withinBudget(ranked, budget, ({ tokens }) => tokens.length);
      scores.recall[budget][i] = retrievalScores(fitting, references).recall;
    }
    const { recall, precision, iou } = retrievalScores(ranked.slice(0, few), references);
    scores.recallOfFew[i] = recall;
    scores.precisionOfFew[i] = precision;
    scores.iouOfFew[i] = iou;
  }
  return scores;
}

/** Mean over the questions of the precision that a chunking allows. */
export function omegaOf(
  chunks: readonly Chunk[],
  questions: readonly ReferencedQuestion[],
): number {
  return mean(questions.map(({ references }) => precisionOmega(chunks, references)));
}

/** Mean of `a - b`, whole questions drawn again. */
export function difference(a: Float64Array, b: Float64Array): Interval {
  return bootstrap(a.length, (drawn) => {
    let sum = 0;
    for (const i of drawn) sum += (a[i] as number) - (b[i] as number);
    return sum / drawn.length;
  });
}
