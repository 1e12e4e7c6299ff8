import { assertWhole } from './numbers.js';

/** What selectors that ask for values have in common. */
export interface SearchLimits {
  /** Most sets whose value is asked. */
  readonly evaluations?: number;
  /**
   * Only so many candidates are searched, the best of those that fit the budget by themselves; so time and memory do not
   * grow with what a retriever gives. Default 64.
   */
  readonly maxCandidates?: number;
}

export function checkedLimits(
  selector: string,
  { evaluations = 256, maxCandidates = 64 }: SearchLimits,
): Required<SearchLimits> {
  assertWhole(`${selector}: evaluations`, evaluations);
  assertWhole(`${selector}: maxCandidates`, maxCandidates);
  return { evaluations, maxCandidates };
}
