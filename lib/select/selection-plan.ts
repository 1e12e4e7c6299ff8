import type { CachedAt } from './costs/milliseconds.js';
import type { Decision, SearchNode, Selection, SetCost } from './selector.js';

/** What was chosen for a question, and why. Plain JSON. */
export interface SelectionPlan {
  readonly question: string;
  /** {@link Selector.name}, or `top-k` where there is none. */
  readonly selector: string;
  /** {@link SetValue.name}; absent where the selector asked for no value. */
  readonly valuedBy?: string;
  /** What the chosen set is worth, as {@link SetValue} gave it. */
  readonly value?: number;
  readonly unit: SetCost['unit'];
  readonly budget: number;
  /** Of the chosen set, in the unit. */
  readonly cost: number;
  /** Tokens of the chosen passages as they stand in the prompt. */
  readonly tokens: number;
  /** Milliseconds to the first token that the chosen passages were expected to take; absent while nothing was measured. */
  readonly expectedMs?: number;
  /** Sets whose value was asked. */
  readonly evaluations: number;
  readonly stopped: Selection['stopped'];
  /** Milliseconds that choosing took. */
  readonly milliseconds: number;
  /** As they were retrieved, best first. */
  readonly candidates: readonly CandidateDecision[];
  /** What a tree search looked at. */
  readonly tree?: SearchNode;
}

/** Why a candidate is in or out, and what was known of it. */
export interface CandidateDecision extends Decision {
  /** From 1. */
  readonly rank: number;
  readonly documentId: string;
  /** The document's title, or its id. */
  readonly title: string;
  /** Of the retriever, or of the reranker after it. */
  readonly score: number;
  readonly tokens: number;
  /** Where its keys and values were before anything was chosen; absent where they were not. */
  readonly cached?: CachedAt;
  /** Milliseconds to the first token that it was expected to take by itself; absent while nothing was measured. */
  readonly expectedMs?: number;
  /** Its number in the prompt, from 1; absent where it is not in. */
  readonly place?: number;
}
