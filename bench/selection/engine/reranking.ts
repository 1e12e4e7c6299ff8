import { mean } from '../../../lib/evaluate/index.js';
import { attentionReranker, queryLikelihoodReranker, type Reranker } from '../../../lib/index.js';
import type { SelectionLab } from './lab.js';
import { type JudgedCase, reciprocalRank } from './questions.js';

/** MRR@10 of each way to order what BM25 found, by its name. */
export async function reranking(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  { candidates: k }: { readonly candidates: number },
): Promise<Record<string, number>> {
  const ranks: Record<string, number[]> = {};
  for (const item of cases) {
    const { weave, retriever } = await lab.corpus(item);
    const { question } = item;
    const { probe } = weave;
    const candidates = await retriever.search(question, { k });
    if (candidates.length === 0) continue;
    const missing = 'encode';
    const arms: Record<string, Reranker> = {
      bm25: { name: 'bm25', rerank: async () => [...candidates] },
      likelihood: queryLikelihoodReranker({ probe, missing }),
      gains: queryLikelihoodReranker({ probe, missing, calibration: 'gains' }),
      'likelihood-half': queryLikelihoodReranker({ probe, missing, prior: 0.5 }),
      attention: attentionReranker({ probe, missing }),
    };
    for (const [name, arm] of Object.entries(arms)) {
      const ranked = await arm.rerank({ question, candidates, k: 10 });
      const rank = reciprocalRank(
        item,
        ranked.map(({ chunk }) => chunk),
      );
      (ranks[name] ??= []).push(rank);
    }
  }
  return Object.fromEntries(Object.entries(ranks).map(([name, all]) => [name, mean(all)]));
}
