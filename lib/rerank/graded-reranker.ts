import { InvalidArgumentError, RetrievalError } from '../errors.js';
import type { LanguageModel } from '../language-model.js';
import { assertCount } from '../retrieve/ranking.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import { inParallel } from '../store/in-parallel.js';
import { bestGrade, gradeGrammar, gradeOf } from './grade.js';
import { reorderKnown } from './reorder-known.js';
import type { Reranker } from './reranker.js';

export interface GradedRerankerOptions {
  readonly model: LanguageModel;
  /** Passages judged at once; default 4. */
  readonly concurrency?: number;
  /** Calls for one passage, while they fail or answer nonsense; default 2. */
  readonly attempts?: number;
  /** Most UTF-16 units of a passage that the model reads; default 4,000. */
  readonly maxUnits?: number;
  /** Default {@link gradePrompt}. */
  readonly prompt?: (question: string, passage: string) => string;
  /** Told after each call of `rerank`. */
  readonly onReport?: (report: GradeReport) => void;
}

/** What judging the candidates of one question came to. */
export interface GradeReport {
  readonly candidates: number;
  readonly graded: number;
  /** Passages that kept their place: no answer to them was a grade. */
  readonly nonsense: number;
  /** Passages that kept their place: every call for them failed. */
  readonly failed: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

/** Asks for a grade from 0 to 10. */
export function gradePrompt(question: string, passage: string): string {
  return `How well does the passage answer the question? Grade it from 0 (says nothing about it) to 10 (answers it fully).

Question: ${question}

Passage:
${passage}

Answer with the number alone.`;
}

/**
 * A language model's judgement: it grades each passage by itself, from 0 to 10, bound to that by a grammar where it takes
 * one. Scores are grade / 10; where the model tells the first token's probabilities they are expected grades. Equal grades
 * keep the candidates' order. A passage that gets no grade keeps its place; scores are then 1 / rank.
 *
 * `rerank` throws RetrievalError when every call for every passage failed.
 *
 * @throws InvalidArgumentError for options that cannot be
 */
export function gradedReranker(options: GradedRerankerOptions): Reranker {
  const { model, concurrency = 4, attempts = 2, maxUnits = 4000, prompt = gradePrompt } = options;
  assertCount('concurrency', concurrency);
  assertCount('attempts', attempts);
  assertCount('maxUnits', maxUnits);
  return {
    name: `graded by ${model.name}`,
    async rerank({ question, candidates, k = Math.max(1, candidates.length), signal }) {
      assertCount('k', k);
      const tally = { calls: 0, promptTokens: 0, generatedTokens: 0 };
      const grades: (number | undefined)[] = candidates.map(() => undefined);
      const failures = new Map<number, unknown>();
      const judge = async (i: number): Promise<void> => {
        const { chunk } = candidates[i] as ScoredChunk;
        for (let attempt = 0; attempt < attempts && grades[i] === undefined; attempt++) {
          signal?.throwIfAborted();
          tally.calls++;
          try {
            const answer = await model.generate({
              prompt: prompt(question, chunk.text.slice(0, maxUnits)),
              maxTokens: 4,
              grammar: gradeGrammar,
              topLogprobs: 20,
              // Asked the same way, a model would answer the same.
              ...(attempt > 0 && { temperature: 0.5, seed: attempt }),
              ...(signal && { signal }),
            });
            tally.promptTokens += answer.usage.promptTokens;
            tally.generatedTokens += answer.usage.generatedTokens;
            failures.delete(i);
            grades[i] = gradeOf(answer);
          } catch (error) {
            signal?.throwIfAborted();
            // What is wrong with the request stays wrong.
            if (error instanceof InvalidArgumentError) throw error;
            failures.set(i, error);
          }
        }
      };
      await inParallel(concurrency, [...candidates.keys()], judge);
      signal?.throwIfAborted();
      const graded = grades.filter((grade) => grade !== undefined).length;
      options.onReport?.({
        candidates: candidates.length,
        graded,
        nonsense: candidates.length - graded - failures.size,
        failed: failures.size,
        ...tally,
      });
      if (candidates.length > 0 && failures.size === candidates.length) {
        const [cause] = failures.values();
        const problem = cause instanceof Error ? cause.message : String(cause);
        throw new RetrievalError(`${model.name} could not judge any passage: ${problem}`, {
          cause,
        });
      }
      const scores = grades.map((grade) => (grade === undefined ? undefined : grade / bestGrade));
      return reorderKnown(candidates, scores).slice(0, k);
    },
  };
}
