import type { ScoredChunk } from '../retrieve/retriever.js';

/** Picks which of the retrieved chunks go into the prompt, and in which order, under a budget. */
export interface Selector {
  readonly name: string;
  /**
   * Never exceeds the budget. Equal input and seed give an equal selection, unless a deadline cuts the search short:
   * then the best set found so far.
   *
   * @throws InvalidArgumentError for a budget that is no number above 0, or candidates with one id twice.
   * @throws SelectionError where the value or the cost of a set cannot be had.
   */
  select(request: SelectionRequest): Promise<Selection>;
}

export interface SelectionRequest {
  readonly question: string;
  /** Best first, as a retriever gives them. */
  readonly candidates: readonly ScoredChunk[];
  /** Most that the chosen set may cost, in the unit of {@link SetCost}. */
  readonly budget: number;
  readonly cost: SetCost;
  /** What a set is worth; selectors that go by the candidates' scores alone do not ask. */
  readonly value: SetValue;
  /** Order of the chosen chunks in the prompt, which values and costs see too; default reading order. */
  readonly order?: SetOrder;
  /** Milliseconds after which the best set so far is given; default none. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** What a set of chunks is worth to a question. Higher is better; comparable only for one question. */
export interface SetValue {
  readonly name: string;
  /**
   * Values of several sets in one call, so that an engine can judge them in one batch. Each set is in the order of the
   * prompt and may be empty.
   */
  of(
    sets: readonly (readonly ScoredChunk[])[],
    options: { readonly question: string; readonly signal?: AbortSignal },
  ): Promise<readonly number[]>;
}

/** What a set of chunks takes. Adding a chunk never makes a set cheaper. */
export interface SetCost {
  readonly name: string;
  readonly unit: 'tokens' | 'milliseconds' | 'money';
  /** Cost of a set in the order of the prompt; 0 for the empty one. Finite, not negative. */
  of(set: readonly ScoredChunk[]): number;
}

/** Brings a set into the order in which it stands in the prompt. Does not add or drop. */
export type SetOrder = (set: readonly ScoredChunk[]) => ScoredChunk[];

export interface Selection {
  /** In the order of the prompt. Empty where nothing fits the budget. */
  readonly chunks: readonly ScoredChunk[];
  /** As {@link SetValue} gave it; absent where the selector asked for none. */
  readonly value?: number;
  readonly cost: number;
  /** Sets whose value was asked. */
  readonly evaluations: number;
  /** Why the search ended: it was through, or a limit of its own or the deadline cut it short. */
  readonly stopped: 'done' | 'evaluations' | 'deadline';
  /** One for each candidate, in their order. */
  readonly decisions: readonly Decision[];
  /** The sets that were looked at, for a picture; only of tree searches. */
  readonly tree?: SearchNode;
}

/** Why a candidate is in or out. */
export interface Decision {
  readonly chunkId: string;
  readonly chosen: boolean;
  /** A sentence for people. */
  readonly reason: string;
  /** Of the chunk alone. */
  readonly cost: number;
}

export interface SearchNode {
  /** The chunk that this node adds to its parent's set; absent at the root. */
  readonly chunkId?: string;
  readonly cost: number;
  /** Of the node's own set; absent where that was not judged. */
  readonly value?: number;
  /** Most that a judged set on the way through this node is worth; absent where none was judged. */
  readonly best?: number;
  readonly visits: number;
  readonly children: readonly SearchNode[];
}
