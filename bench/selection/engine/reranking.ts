import { bootstrapMean, halfOf, mean } from '../../../lib/evaluate/index.js';
import { attentionReranker, type Chunk, type Embedder } from '../../../lib/index.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface RerankingOptions {
  /** Of BM25, to be ordered anew. */
  readonly candidates: number;
  /** Orders them by the cosine of question and passage; default that is left out. */
  readonly embedder?: Embedder | undefined;
  readonly log: (line: string) => void;
}

/** Scores of one question's candidates by every base, best first by BM25. */
export interface ScoredQuestion {
  readonly half: 'search' | 'held-out';
  /** Which of them hold some of the evidence. */
  readonly relevant: readonly boolean[];
  readonly scores: Readonly<Record<string, readonly number[]>>;
}

export interface RerankingArm {
  readonly mrr: number;
  /** To BM25, with its 95% interval over questions. */
  readonly gain: number;
  readonly low: number;
  readonly high: number;
  /** Share of BM25's standardised scores in those that order, chosen on the other half; 0: none. */
  readonly prior: number;
}

/** Asked behind a passage to see how likely it makes any question at all. */
const nullQuestion = 'What does the passage say?';

const priors = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Scores what BM25 finds by the likelihood of the question in several calibrations, by attention, and by an embedder. */
export async function scoreCandidates(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { candidates: k, embedder, log }: RerankingOptions,
): Promise<ScoredQuestion[]> {
  const questions: ScoredQuestion[] = [];
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question } = item;
    const { probe } = weave;
    const candidates = await retriever.search(question, { k });
    if (candidates.length < 2) continue;
    const chunks = candidates.map(({ chunk }) => chunk);
    const sets = chunks.map((chunk) => [chunk]);
    const asked = await probe.losses([...sets, []], { question });
    const alone = asked.sets.at(-1) as Float32Array;
    const own = asked.sets.slice(0, -1);
    const nothing = await probe.losses(sets, { question: nullQuestion });
    const likelihood = own.map((losses) => -mean(losses));
    const reranked = await attentionReranker({ probe, missing: 'encode' }).rerank({
      question,
      candidates,
    });
    const attention = new Map(reranked.map(({ chunk, score }) => [chunk.id, score]));
    const weight = alone.reduce((sum, loss) => sum + loss, 0);
    questions.push({
      half: halfOf(question),
      relevant: chunks.map((chunk) => item.evidence.some((holds) => holds(chunk))),
      scores: {
        bm25: candidates.map(({ score }) => score),
        likelihood,
        'less first token': own.map((losses) => -mean(losses.subarray(1))),
        // What a passage does for any question is taken away.
        calibrated: likelihood.map((value, i) => value + mean(nothing.sets[i] as Float32Array)),
        gains: own.map((losses) =>
          mean(losses.map((loss, t) => Math.max(0, (alone[t] as number) - loss))),
        ),
        // Tokens that are hard to foretell say more of what is asked.
        weighted: own.map(
          (losses) =>
            losses.reduce((sum, loss, t) => {
              const before = alone[t] as number;
              return sum + before * (before - loss);
            }, 0) / weight,
        ),
        attention: chunks.map(({ id }) => attention.get(id) ?? 0),
        ...(embedder && { dense: await cosines(embedder, question, chunks) }),
      },
    });
    log(`rerank: ${questions.length} questions`);
  }
  return questions;
}

/** MRR of each base, and of each joined with BM25 in a share chosen on one half of the questions, on the other half. */
export function rerankingArms(questions: readonly ScoredQuestion[]): Record<string, RerankingArm> {
  const heldOut = questions.filter(({ half }) => half === 'held-out');
  const search = questions.filter(({ half }) => half === 'search');
  const ranksBy = (among: readonly ScoredQuestion[], base: string, prior: number): number[] =>
    among.map(({ relevant, scores }) => {
      const own = standardised(scores[base] ?? []);
      const first = standardised(scores['bm25'] ?? []);
      return reciprocalRankBy(
        own.map((value, i) => (1 - prior) * value + prior * (first[i] as number)),
        relevant,
      );
    });
  const plain = ranksBy(heldOut, 'bm25', 0);
  const armOf = (ranks: readonly number[], prior: number): RerankingArm => {
    const {
      value: gain,
      low,
      high,
    } = bootstrapMean(ranks.map((rank, i) => rank - (plain[i] as number)));
    return { mrr: mean(ranks), gain, low, high, prior };
  };
  const arms: Record<string, RerankingArm> = { bm25: armOf(plain, 1) };
  for (const base of Object.keys(questions[0]?.scores ?? {})) {
    if (base === 'bm25') continue;
    arms[base] = armOf(ranksBy(heldOut, base, 0), 0);
    let [best, most] = [0, -Infinity];
    for (const prior of search.length > 0 ? priors : []) {
      const its = mean(ranksBy(search, base, prior));
      if (its > most) [best, most] = [prior, its];
    }
    arms[`${base} with bm25`] = armOf(ranksBy(heldOut, base, best), best);
  }
  return arms;
}

/** 1 / rank of the best relevant one; of equal scores the earlier comes first. */
export function reciprocalRankBy(scores: readonly number[], relevant: readonly boolean[]): number {
  const order = [...scores.keys()].sort(
    (a, b) => (scores[b] as number) - (scores[a] as number) || a - b,
  );
  const place = order.findIndex((i) => relevant[i]);
  return place < 0 ? 0 : 1 / (place + 1);
}

async function cosines(
  embedder: Embedder,
  question: string,
  chunks: readonly Chunk[],
): Promise<number[]> {
  const [asked] = await embedder.embed([question], { kind: 'query' });
  const vectors = await embedder.embed(
    chunks.map(({ text }) => text),
    { kind: 'passage' },
  );
  return vectors.map((vector) =>
    vector.reduce((sum, value, i) => sum + value * (asked?.[i] as number), 0),
  );
}

function standardised(values: readonly number[]): number[] {
  const middle = mean(values);
  const deviation = Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  return values.map((value) => (deviation > 0 ? (value - middle) / deviation : 0));
}
