import { mean } from '../../../lib/evaluate/index.js';
import {
  type Chunk,
  type ChunkState,
  type CostModel,
  millisecondsCost,
  type ScoredChunk,
  type Selector,
  type SetCost,
  sumOfScores,
} from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import { type JudgedCase, recallOf } from './questions.js';

/** A question of the trace, with what was retrieved for it. */
export interface TraceQuestion {
  readonly item: JudgedCase;
  readonly candidates: readonly ScoredChunk[];
}

export interface CacheTraceOptions {
  readonly questions: readonly TraceQuestion[];
  /** Tokens of a chunk as it stands in prompts. */
  readonly tokensOf: (chunk: Chunk) => number;
  /** Tokens of the whole corpus. */
  readonly corpusTokens: number;
  /** Share of them whose KV the store holds; the passage used longest ago goes first. */
  readonly storeShare: number;
  readonly costs: Pick<CostModel, 'predictCompute'>;
  /** Milliseconds of loading a token's KV. */
  readonly loadMsPerToken: number;
  readonly prefixTokens: number;
  readonly questionTokens: number;
  readonly topK: number;
  /** Fewest of the best that are tried beside; default half of `topK`. */
  readonly least?: number;
  /** Asked one after another, by a Zipf law of this exponent over the questions. */
  readonly length: number;
  readonly exponent: number;
  readonly seed: number;
  readonly selectors: Readonly<Record<string, Selector>>;
  /** Milliseconds that the selector may spend, in those of the best `topK` as its own store is then. */
  readonly budgets: readonly number[];
  /** Also tells figures of some of the questions, as `NAME: ARM`. All are asked. */
  readonly views?: Readonly<Record<string, (question: TraceQuestion) => boolean>>;
}

export interface TraceArm {
  /** Predicted. */
  readonly firstTokenMs: number;
  readonly recall: number;
  /** Of the less popular half of the questions. */
  readonly rareRecall: number;
  /** Passages of a prompt. */
  readonly passages: number;
}

/**
 * Time to first token, predicted, and recall along a trace of questions: the best `topK`, and selectors under milliseconds
 * that know what is cached. Beside them fewer of the best, which is what saves time without knowing of
 * a cache. Each has a store of its own that holds what it used last; nothing is computed.
 */
export async function cacheTrace(options: CacheTraceOptions): Promise<Record<string, TraceArm>> {
  const trace = zipfTrace(options);
  const arms: Record<string, TraceArm> = {};
  const add = (name: string, views: ReadonlyMap<string, TraceArm>): void => {
    for (const [view, arm] of views) arms[view === '' ? name : `${view}: ${name}`] = arm;
  };
  const { topK, least = Math.max(1, topK >> 1) } = options;
  for (let k = topK; k >= least; k--) {
    add(
      `best ${k}`,
      await runArm(options, trace, async ({ candidates }) => candidates.slice(0, k)),
    );
  }
  for (const [name, selector] of Object.entries(options.selectors)) {
    for (const share of options.budgets) {
      const views = await runArm(options, trace, async ({ item, candidates }, cost) => {
        const best = candidates.slice(0, options.topK);
        if (best.length === 0) return best;
        const { chunks } = await selector.select({
          question: item.question,
          candidates,
          budget: share * cost.of(best),
          cost,
          value: sumOfScores(),
        });
        return chunks;
      });
      add(`${name} at ${share}`, views);
    }
  }
  return arms;
}

/** Numbers of questions; the smaller, the more popular. */
export function zipfTrace({
  questions,
  length,
  exponent,
  seed,
}: Pick<CacheTraceOptions, 'questions' | 'length' | 'exponent' | 'seed'>): number[] {
  const random = seededRandom(seed);
  const sums: number[] = [];
  let total = 0;
  for (let i = 0; i < questions.length; i++) sums.push((total += (i + 1) ** -exponent));
  // Which question is popular is chance.
  const shuffled = [...questions.keys()];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = seededInteger(random, i + 1);
    [shuffled[i], shuffled[j]] = [shuffled[j] as number, shuffled[i] as number];
  }
  return Array.from({ length }, () => {
    const at = random() * total;
    const rank = sums.findIndex((sum) => sum > at);
    return shuffled[rank < 0 ? sums.length - 1 : rank] as number;
  });
}

type Choose = (question: TraceQuestion, cost: SetCost) => Promise<readonly ScoredChunk[]>;

async function runArm(
  options: CacheTraceOptions,
  trace: readonly number[],
  choose: Choose,
): Promise<Map<string, TraceArm>> {
  const { questions, tokensOf, corpusTokens, storeShare } = options;
  const store = new TokenLru(storeShare * corpusTokens);
  const counts = new Map<number, number>();
  for (const number of trace) counts.set(number, (counts.get(number) ?? 0) + 1);
  const byCount = [...counts].toSorted((a, b) => b[1] - a[1]).map(([number]) => number);
  const rare = new Set(byCount.slice(byCount.length >> 1));
  const views: NonNullable<CacheTraceOptions['views']> = { '': () => true, ...options.views };
  const seen = new Map(Object.keys(views).map((view) => [view, new Tally()]));
  // Until the store is full, times are those of filling it.
  const from = trace.length >> 2;
  for (const [step, number] of trace.entries()) {
    const { item, candidates } = questions[number] as TraceQuestion;
    const states = new Map(
      candidates.map(({ chunk }): [string, ChunkState] => {
        const tokens = tokensOf(chunk);
        const loadMs = tokens * options.loadMsPerToken;
        return [
          chunk.id,
          { tokens, ...(store.has(chunk.id) && { cached: { tier: 'store', loadMs } }) },
        ];
      }),
    );
    const cost = millisecondsCost({ ...options, chunks: states });
    const chosen = await choose(questions[number] as TraceQuestion, cost);
    for (const { chunk } of chosen) store.use(chunk.id, tokensOf(chunk));
    if (step < from) continue;
    const recall = recallOf(
      item,
      chosen.map(({ chunk }) => chunk),
    );
    const ms = cost.of(chosen);
    for (const [view, counts] of Object.entries(views)) {
      if (!counts(questions[number] as TraceQuestion)) continue;
      seen.get(view)?.add({ ms, recall, count: chosen.length, isRare: rare.has(number) });
    }
  }
  return new Map(Array.from(seen, ([view, tally]) => [view, tally.arm]));
}

interface Step {
  readonly ms: number;
  readonly recall: number;
  readonly count: number;
  readonly isRare: boolean;
}

class Tally {
  readonly #steps: Step[] = [];

  add(step: Step): void {
    this.#steps.push(step);
  }

  get arm(): TraceArm {
    const rare = this.#steps.filter(({ isRare }) => isRare);
    return {
      firstTokenMs: mean(this.#steps.map(({ ms }) => ms)),
      recall: mean(this.#steps.map(({ recall }) => recall)),
      rareRecall: mean(rare.map(({ recall }) => recall)),
      passages: mean(this.#steps.map(({ count }) => count)),
    };
  }
}

/** What was used last, up to so many tokens. */
class TokenLru {
  readonly #most: number;
  readonly #sizes = new Map<string, number>();
  #tokens = 0;

  constructor(most: number) {
    this.#most = most;
  }

  has(id: string): boolean {
    return this.#sizes.has(id);
  }

  use(id: string, tokens: number): void {
    this.#tokens += tokens - (this.#sizes.get(id) ?? 0);
    this.#sizes.delete(id);
    this.#sizes.set(id, tokens);
    for (const [oldest, size] of this.#sizes) {
      if (this.#tokens <= this.#most) break;
      this.#sizes.delete(oldest);
      this.#tokens -= size;
    }
  }
}
