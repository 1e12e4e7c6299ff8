import { bootstrap, bootstrapMean, median } from '../../../lib/evaluate/index.js';
import { readCandidates, type ScoredChunk, type Weave } from '../../../lib/index.js';
import { areaUnderRoc } from './kendall.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface AnswerableOptions {
  /** Of BM25, for each question with and without those that answer. */
  readonly candidates: number;
  readonly log: (line: string) => void;
}

export interface AnswerableArm {
  readonly questions: number;
  /**
   * How well one threshold for all questions tells candidates with an answer from those without (area under the ROC curve: 0.5 is
   * chance, 1 always), with its 95% interval over questions.
   */
  readonly auc: number;
  readonly low: number;
  readonly high: number;
  /** Share of questions for which it is higher with the answer than without, ties counting half: no threshold between questions is needed. */
  readonly paired: number;
  readonly pairedLow: number;
  readonly pairedHigh: number;
}

/** What is said of a question's candidates with the passages that answer it, and without. */
export interface AnswerablePair {
  readonly with: Signals;
  readonly without: Signals;
  /** Milliseconds of the pass that the attention comes from. */
  readonly passMs: number;
}

type Signals = Readonly<Record<string, number>>;

/** Least number of candidates beside those that answer: with fewer the pool's size would tell. */
const leastOthers = 8;

/**
 * Asks each question of its candidates, and again of those without any passage that answers, the next ones of the search in their
 * place. Questions whose candidates have no such passage, or hardly any other, are left out.
 */
export async function answerablePairs(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { candidates: k, log }: AnswerableOptions,
): Promise<AnswerablePair[]> {
  const pairs: AnswerablePair[] = [];
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question } = item;
    const found = await retriever.search(question, { k: 2 * k });
    const answers = ({ chunk }: ScoredChunk): boolean =>
      item.evidence.some((holds) => holds(chunk));
    const others = found.filter((hit) => !answers(hit)).slice(0, k);
    // As many on both sides: a larger pool is looked at more.
    const all = found.slice(0, others.length);
    if (!all.some(answers) || others.length < Math.min(leastOthers, k)) continue;
    const first = await signalsOf(weave, question, all);
    const second = await signalsOf(weave, question, others);
    pairs.push({ with: first.signals, without: second.signals, passMs: first.passMs });
    log(`answerable: ${pairs.length} questions`);
  }
  return pairs;
}

async function signalsOf(
  { probe }: Weave,
  question: string,
  candidates: readonly ScoredChunk[],
): Promise<{ readonly signals: Signals; readonly passMs: number }> {
  // Looked at once before, so that the time is that of the pass.
  await readCandidates({ probe, question, candidates, missing: 'encode' });
  const start = performance.now();
  const { evidence, ranking } = await readCandidates({ probe, question, candidates });
  const passMs = performance.now() - start;
  const masses = ranking.map(({ score }) => score);
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  return {
    passMs,
    signals: {
      evidence,
      'attention to the best': masses[0] ?? 0,
      'share of the best': total > 0 ? (masses[0] ?? 0) / total : 0,
      bm25: candidates[0]?.score ?? 0,
    },
  };
}

/** One arm a signal: those of the pass, then what search knows without it. */
export function answerableArms(pairs: readonly AnswerablePair[]): Record<string, AnswerableArm> {
  const names = Object.keys(pairs[0]?.with ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const own = pairs.map((pair) => pair.with[name] as number);
      const bare = pairs.map((pair) => pair.without[name] as number);
      const auc = bootstrap(pairs.length, (drawn) =>
        areaUnderRoc(
          Array.from(drawn, (i) => own[i] as number),
          Array.from(drawn, (i) => bare[i] as number),
        ),
      );
      const paired = bootstrapMean(
        own.map((value, i) => (Math.sign(value - (bare[i] as number)) + 1) / 2),
      );
      return [
        name,
        {
          questions: pairs.length,
          auc: auc.value,
          low: auc.low,
          high: auc.high,
          paired: paired.value,
          pairedLow: paired.low,
          pairedHigh: paired.high,
        },
      ];
    }),
  );
}

export const passMs = (pairs: readonly AnswerablePair[]): number =>
  median(pairs.map((pair) => pair.passMs));
