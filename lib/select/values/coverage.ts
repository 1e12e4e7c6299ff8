import type { ScoredChunk } from '../../retrieve/retriever.js';
import { englishStopWords } from '../../retrieve/stop-words.js';
import { termsOf } from '../../retrieve/terms.js';
import type { SetValue } from '../selector.js';

export interface CoverageValueOptions {
  /** What a chunk tells, and how much of each; at least 0. Default: the question's terms that it has, each 1. */
  readonly factsOf?: (chunk: ScoredChunk, question: string) => ReadonlyMap<string, number>;
}

/**
 * What a set tells, each fact once, as well as its best chunk tells it: monotone and submodular, so greedy by value is
 * within 1 - 1/e of the best set of a size (Nemhauser, Wolsey and Fisher, 1978).
 */
export function coverageValue({ factsOf = sharedTerms }: CoverageValueOptions = {}): SetValue {
  return {
    name: 'coverage',
    of: async (sets, { question }) => {
      const known = new Map<ScoredChunk, ReadonlyMap<string, number>>();
      const facts = (chunk: ScoredChunk): ReadonlyMap<string, number> => {
        const found = known.get(chunk) ?? factsOf(chunk, question);
        known.set(chunk, found);
        return found;
      };
      return sets.map((set) => {
        const told = new Map<string, number>();
        for (const chunk of set) {
          for (const [fact, weight] of facts(chunk)) {
            told.set(fact, Math.max(weight, told.get(fact) ?? 0));
          }
        }
        return [...told.values()].reduce((sum, weight) => sum + weight, 0);
      });
    },
  };
}

function sharedTerms({ chunk }: ScoredChunk, question: string): Map<string, number> {
  const asked = new Set(termsOf(question).filter((term) => !englishStopWords.has(term)));
  const terms = new Set(termsOf(chunk.text));
  return new Map([...terms].filter((term) => asked.has(term)).map((term) => [term, 1]));
}
