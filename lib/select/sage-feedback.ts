import { assertNumber, assertWhole } from './numbers.js';
import { SelectionError } from './selection-error.js';
import type { Selection, SelectionRequest } from './selector.js';
import { gradientSelector, type GradientSelectorOptions } from './selectors/gradient.js';

/** What a judge says of an answer. */
export interface AnswerVerdict {
  /** Higher is better; SAGE asks a language model for 1 to 10. */
  readonly score: number;
  /** Whether the chunks told more than was needed, what was needed, or less. */
  readonly context: 'excessive' | 'right' | 'lacking';
}

export interface SageFeedbackOptions<Answer> extends GradientSelectorOptions {
  readonly answer: (
    selection: Selection,
    options: { readonly signal?: AbortSignal },
  ) => Promise<Answer>;
  readonly evaluate: (
    answer: Answer,
    selection: Selection,
    options: { readonly signal?: AbortSignal },
  ) => Promise<AnswerVerdict>;
  /** Most answers that are made; default 3. */
  readonly rounds?: number;
  /** A score that ends it; default 9, for scores of 1 to 10. */
  readonly goodEnough?: number;
}

export interface FeedbackRound<Answer> {
  /** Least number of chunks that this round took. */
  readonly minK: number;
  readonly selection: Selection;
  readonly answer: Answer;
  readonly verdict: AnswerVerdict;
}

export interface SageFeedback<Answer> {
  /** The round of the highest score, the earliest of equal ones. */
  readonly best: FeedbackRound<Answer>;
  readonly rounds: readonly FeedbackRound<Answer>[];
  /** Why there was no further round. */
  readonly stopped: 'good enough' | 'context right' | 'nothing to change' | 'rounds';
}

/**
 * Answers, has the answer judged, and takes one chunk more at least where the chunks told too little and one less where
 * they told too much, until the answer is good enough (SAGE, arXiv 2503.01713, self-feedback). The paper's number of
 * rounds and its threshold could not be confirmed. A verdict of `right` ends it: the next round would be the same.
 *
 * @throws InvalidArgumentError for options or a request outside of their ranges
 * @throws SelectionError where the verdict is none; what `answer` and `evaluate` throw comes through as it is
 */
export async function sageFeedback<Answer>(
  request: SelectionRequest,
  options: SageFeedbackOptions<Answer>,
): Promise<SageFeedback<Answer>> {
  const { answer, evaluate, rounds = 3, goodEnough = 9, minK: firstK = 3, ...rest } = options;
  assertWhole('sageFeedback: rounds', rounds);
  assertNumber('sageFeedback: goodEnough', goodEnough);
  const { signal } = request;
  const pass = signal ? { signal } : {};
  const done: FeedbackRound<Answer>[] = [];
  const finish = (stopped: SageFeedback<Answer>['stopped']): SageFeedback<Answer> => {
    const best = done.reduce((a, b) => (b.verdict.score > a.verdict.score ? b : a));
    return { best, rounds: done, stopped };
  };
  for (let minK = firstK; ;) {
    const selection = await gradientSelector({ ...rest, minK }).select(request);
    const last = done.at(-1);
    if (last && idsOf(last.selection) === idsOf(selection)) return finish('nothing to change');
    const given = await answer(selection, pass);
    signal?.throwIfAborted();
    const verdict = checked(await evaluate(given, selection, pass));
    signal?.throwIfAborted();
    done.push({ minK, selection, answer: given, verdict });
    if (verdict.score >= goodEnough) return finish('good enough');
    if (verdict.context === 'right') return finish('context right');
    if (done.length === rounds) return finish('rounds');
    // From what was really taken: the gradient or the budget may have had the last word.
    const taken = selection.chunks.length;
    minK = verdict.context === 'lacking' ? Math.max(minK, taken) + 1 : Math.min(minK, taken) - 1;
    if (minK < 1 || (rest.maxK !== undefined && minK > rest.maxK)) {
      return finish('nothing to change');
    }
  }
}

function idsOf({ chunks }: Selection): string {
  return JSON.stringify(chunks.map(({ chunk }) => chunk.id));
}

function checked(verdict: AnswerVerdict): AnswerVerdict {
  const { score, context } = verdict;
  const isKnown = context === 'excessive' || context === 'right' || context === 'lacking';
  if (Number.isFinite(score) && isKnown) return verdict;
  throw new SelectionError(
    'sage feedback',
    `the verdict on the answer is score ${score}, context "${String(context)}"; give a finite score, and "excessive", "right" or "lacking".`,
  );
}
