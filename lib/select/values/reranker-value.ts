import type { SetValue } from '../selector.js';

export interface RerankerValueOptions {
  /** Default `reranker`. */
  readonly name?: string;
  /** Scores of several texts for one question, in one batch; a reranker's own scale. */
  readonly score: (
    question: string,
    texts: readonly string[],
    options: { readonly signal?: AbortSignal },
  ) => Promise<readonly number[]>;
  /** Between chunks; default an empty line. */
  readonly separator?: string;
  /** Value of the empty set, which no reranker is asked about; default 0. */
  readonly emptyValue?: number;
}

/**
 * What a reranker says of a set's texts put together, the value that CORAG was published with (arXiv 2411.00744).
 * Rerankers cut long texts off: keep budgets below what yours reads.
 */
export function rerankerValue(options: RerankerValueOptions): SetValue {
  const { name = 'reranker', score, separator = '\n\n', emptyValue = 0 } = options;
  return {
    name,
    async of(sets, { question, signal }) {
      const full = sets.filter((set) => set.length > 0);
      const texts = full.map((set) => set.map(({ chunk }) => chunk.text).join(separator));
      const scores =
        texts.length === 0 ? [] : await score(question, texts, signal ? { signal } : {});
      if (scores.length !== texts.length) {
        throw new Error(`the reranker gave ${scores.length} scores for ${texts.length} texts`);
      }
      const valueOf = new Map(full.map((set, i) => [set, scores[i] as number]));
      return sets.map((set) => valueOf.get(set) ?? emptyValue);
    },
  };
}
