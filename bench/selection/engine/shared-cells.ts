import { mean } from '../../../lib/evaluate/index.js';
import {
  type Chunk,
  coverageValue,
  readingOrder,
  type ScoredChunk,
  type Selector,
  type SetValue,
} from '../../../lib/index.js';
import { planSets } from '../../../lib/weave/probe/set-tree.js';
import type { SelectionLab } from './lab.js';
import type { JudgedCase } from './questions.js';

export interface SharedCells {
  readonly questions: number;
  readonly evaluations: number;
  /** Cells of passages that an evaluation takes, means: each set by itself; sets of one call that begin alike sharing; all sets of a search sharing. */
  readonly apart: number;
  readonly perCall: number;
  readonly perSearch: number;
}

/**
 * What the sets that a selector asks about have in common in the order of prompts. Nothing is computed: values are the question's terms
 * that a set has.
 */
export async function sharedCells(
  lab: SelectionLab,
  cases: readonly JudgedCase[],
  selector: Selector,
  { candidates: k, budget }: { readonly candidates: number; readonly budget: number },
): Promise<SharedCells> {
  const rows: { evaluations: number; apart: number; perCall: number; perSearch: number }[] = [];
  for (const item of cases) {
    const { retriever } = await lab.corpus(item);
    const { question } = item;
    const candidates = await retriever.search(question, { k });
    const tokensOf = (chunk: Chunk): number => lab.layout.passage(chunk).length;
    const tokens = (set: readonly ScoredChunk[]): number =>
      set.reduce((sum, { chunk }) => sum + tokensOf(chunk), 0);
    const calls: (readonly ScoredChunk[])[][] = [];
    await selector.select({
      question,
      candidates,
      budget,
      cost: { name: 'tokens', unit: 'tokens', of: tokens },
      value: watched(coverageValue(), calls),
      order: readingOrder,
    });
    const shared = (sets: readonly (readonly ScoredChunk[])[]): number =>
      planSets(
        sets.map((set) => set.map(({ chunk }) => chunk)),
        { tokensOf, askTokens: 0, mostCells: Infinity, mostRows: Infinity },
      ).reduce((sum, { cells }) => sum + cells, 0);
    const all = calls.flat();
    if (all.length === 0) continue;
    rows.push({
      evaluations: all.length,
      apart: all.reduce((sum, set) => sum + tokens(set), 0) / all.length,
      perCall: calls.reduce((sum, sets) => sum + shared(sets), 0) / all.length,
      perSearch: shared(all) / all.length,
    });
  }
  const of = (measure: keyof (typeof rows)[0]): number => mean(rows.map((row) => row[measure]));
  return {
    questions: rows.length,
    evaluations: of('evaluations'),
    apart: of('apart'),
    perCall: of('perCall'),
    perSearch: of('perSearch'),
  };
}

function watched(value: SetValue, calls: (readonly ScoredChunk[])[][]): SetValue {
  return {
    name: value.name,
    of(sets, options) {
      calls.push([...sets]);
      return value.of(sets, options);
    },
  };
}
