import { halfOf, mean } from '../../../lib/evaluate/index.js';
import {
  cacheAwareSelector,
  type Chunk,
  CostModel,
  type Selector,
  tokensCost,
} from '../../../lib/index.js';
import { cacheTrace, type TraceArm, type TraceQuestion } from './cache-trace.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface CachePartOptions {
  readonly candidates: number;
  readonly msPerToken: number;
  readonly length: number;
  readonly seed: number;
  /** Traces, of seeds from `seed` on; figures are means over them. */
  readonly traces: number;
}

export interface CachePart {
  /** Over all questions, those that the price was chosen on (`search: …`), and the others (`held-out: …`). */
  readonly arms: Readonly<Record<string, TraceArm>>;
  /** Worth that candidates must bring for the computing of a token, chosen on the other half. */
  readonly price: number;
}

/** Of {@link cacheAwareSelector}'s `leastPerCost`, where a unit of cost is computing a token. */
const prices = [0.6e-4, 0.8e-4, 1e-4, 1.3e-4, 1.6e-4, 2e-4, 2.5e-4];
const heldOut = 'held-out';
/** Time to first token that is aimed at, in that of the best 8. */
const aim = 0.7;

/**
 * Time and recall along Zipf traces of questions, by what knows of the cache and what does not. The price is chosen on one half of the
 * questions: of those that reach the aim there, the one that loses least recall of rare questions.
 */
export async function cachePart(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { candidates, msPerToken, length, seed, traces }: CachePartOptions,
): Promise<CachePart> {
  const questions: TraceQuestion[] = [];
  const corpora = new Set(cases.map(({ corpus }) => corpus));
  let corpusTokens = 0;
  for (const item of cases.toSorted((a, b) => a.corpus.localeCompare(b.corpus))) {
    const { retriever } = await lab.corpus(item);
    if (corpora.delete(item.corpus)) {
      for (const chunk of retriever.chunks?.() ?? []) {
        corpusTokens += lab.layout.passage(chunk).length;
      }
    }
    questions.push({
      item,
      candidates: await retriever.search(item.question, { k: candidates }),
    });
  }
  const costs = new CostModel();
  for (const tokens of [64, 256, 512]) costs.observeCompute({ tokens }, msPerToken * tokens);
  const priced = (price: number): Selector =>
    cacheAwareSelector({ power: 1.5, scorePower: 2, leastPerCost: price / msPerToken });
  const trace = {
    questions,
    tokensOf: (chunk: Chunk) => lab.layout.passage(chunk).length,
    corpusTokens,
    storeShare: 0.1,
    costs,
    loadMsPerToken: 0.02 * msPerToken,
    prefixTokens: lab.layout.prefix.length,
    questionTokens: 30,
    topK: 8,
    length,
    exponent: 0.9,
    views: { search: isSearch, [heldOut]: (question: TraceQuestion) => !isSearch(question) },
  };
  const seeds = Array.from({ length: traces }, (_, i) => seed + i);
  const shares = await meanOver(seeds, (own) =>
    cacheTrace({
      ...trace,
      seed: own,
      selectors: { 'cache-aware': cacheAwareSelector() },
      budgets: [1, 0.85, 0.7],
    }),
  );
  const tried = await meanOver(seeds, (own) =>
    cacheTrace({
      ...trace,
      seed: own,
      least: 8,
      selectors: Object.fromEntries(
        prices.flatMap((each): [string, Selector][] => [
          [`priced ${each}`, priced(each)],
          [`by score ${each}`, byScore(each)],
        ]),
      ),
      budgets: [1],
    }),
  );
  return { arms: { ...shares, ...tried }, price: choosePrice(tried) };
}

/** The same price, of the best 8, by one who knows nothing of the cache: what of a gain is the scores' alone. */
function byScore(price: number): Selector {
  const selector = cacheAwareSelector({ power: 1.5, scorePower: 2, leastPerCost: price });
  return {
    name: 'by score',
    select: (request) =>
      selector.select({
        ...request,
        candidates: request.candidates.slice(0, 8),
        cost: tokensCost(),
        budget: Number.MAX_VALUE,
      }),
  };
}

function isSearch({ item }: TraceQuestion): boolean {
  return halfOf(item.question) === 'search';
}

function choosePrice(tried: Readonly<Record<string, TraceArm>>): number {
  const plain = tried['search: best 8'] as TraceArm;
  const arms = prices.map((price) => ({
    price,
    arm: tried[`search: priced ${price} at 1`] as TraceArm,
  }));
  const reached = arms.filter(({ arm }) => arm.firstTokenMs <= aim * plain.firstTokenMs);
  const among = reached.length > 0 ? reached : arms.slice(-1);
  return among.reduce((best, one) => (one.arm.rareRecall > best.arm.rareRecall ? one : best)).price;
}

async function meanOver(
  seeds: readonly number[],
  run: (seed: number) => Promise<Record<string, TraceArm>>,
): Promise<Record<string, TraceArm>> {
  const runs: Record<string, TraceArm>[] = [];
  for (const seed of seeds) runs.push(await run(seed));
  return Object.fromEntries(
    Object.keys(runs[0] ?? {}).map((name) => {
      const of = (measure: keyof TraceArm): number =>
        mean(runs.map((arms) => (arms[name] as TraceArm)[measure]));
      return [
        name,
        {
          firstTokenMs: of('firstTokenMs'),
          recall: of('recall'),
          rareRecall: of('rareRecall'),
          passages: of('passages'),
        },
      ];
    }),
  );
}
