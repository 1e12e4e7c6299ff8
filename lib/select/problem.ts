import { InvalidArgumentError } from '../errors.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import { readingOrder } from './orders/reading-order.js';
import { SelectionError } from './selection-error.js';
import type { SelectionRequest } from './selector.js';

/** A set of candidates, each by its place among them. */
export interface CandidateSet {
  /** Ascending; in the order of the prompt where that is part of what is searched. */
  readonly members: readonly number[];
  /** Equal for equal members. */
  readonly key: string;
  /** In the order of the prompt. */
  readonly chunks: readonly ScoredChunk[];
  readonly cost: number;
}

export interface ProblemOptions {
  /** Members stand in the prompt in the order in which they were added, whatever the request's order; default false. */
  readonly ordered?: boolean;
}

/** A request that was checked, and what sets of its candidates cost. */
export class SelectionProblem {
  readonly selector: string;
  readonly request: SelectionRequest;
  readonly candidates: readonly ScoredChunk[];
  readonly budget: number;
  /** Cost of each candidate by itself. */
  readonly alone: Float64Array;
  /** On the clock of `performance.now()`; Infinity without a deadline. */
  readonly deadline: number;
  readonly empty: CandidateSet;
  readonly #ordered: boolean;

  /**
   * @throws InvalidArgumentError for a budget that is no number above 0, a deadline that is none of at least 0, a score
   * that is not finite, or candidates with one id twice
   * @throws SelectionError where the cost of a candidate cannot be had
   */
  constructor(
    selector: string,
    request: SelectionRequest,
    { ordered = false }: ProblemOptions = {},
  ) {
    const { candidates, budget, deadlineMs = Infinity } = request;
    request.signal?.throwIfAborted();
    if (!(budget > 0)) {
      throw new InvalidArgumentError(`${selector}: budget is ${budget}; give a number above 0.`);
    }
    if (!(deadlineMs >= 0)) {
      throw new InvalidArgumentError(
        `${selector}: deadlineMs is ${deadlineMs}; give a number of at least 0.`,
      );
    }
    const ids = new Set<string>();
    for (const { chunk, score } of candidates) {
      if (ids.has(chunk.id)) {
        throw new InvalidArgumentError(
          `${selector}: the candidate ${chunk.id} is there twice. Leave out what was found before.`,
        );
      }
      if (!Number.isFinite(score)) {
        throw new InvalidArgumentError(
          `${selector}: the score of ${chunk.id} is ${score}; give finite ones.`,
        );
      }
      ids.add(chunk.id);
    }
    this.selector = selector;
    this.request = request;
    this.candidates = candidates;
    this.budget = budget;
    this.deadline = performance.now() + deadlineMs;
    this.#ordered = ordered;
    this.empty = { members: [], key: '', chunks: [], cost: 0 };
    this.alone = Float64Array.from(candidates, (candidate) => this.#costOf([candidate]));
  }

  fits({ cost }: CandidateSet): boolean {
    return cost <= this.budget;
  }

  setOf(members: readonly number[]): CandidateSet {
    if (members.length === 0) return this.empty;
    const sorted = this.#ordered ? members : [...members].sort((a, b) => a - b);
    const inRank = sorted.map((member) => this.candidates[member] as ScoredChunk);
    const chunks = this.#ordered ? inRank : this.#inOrder(inRank);
    return { members: sorted, key: sorted.join(), chunks, cost: this.#costOf(chunks) };
  }

  /** The set with one more; undefined where that breaks the budget. */
  extended(set: CandidateSet, member: number): CandidateSet | undefined {
    if ((this.alone[member] as number) > this.budget) return undefined;
    const extended = this.setOf([...set.members, member]);
    return this.fits(extended) ? extended : undefined;
  }

  /** Places of the candidates that fit by themselves, best first; the first `most` of them. */
  searched(most: number): number[] {
    const places: number[] = [];
    for (let i = 0; i < this.alone.length && places.length < most; i++) {
      if ((this.alone[i] as number) <= this.budget) places.push(i);
    }
    return places;
  }

  /** Why the search must end now, if it must. Throws the signal's reason when aborted. */
  isLate(): boolean {
    this.request.signal?.throwIfAborted();
    return performance.now() >= this.deadline;
  }

  fail(problem: string, cause?: unknown): SelectionError {
    return new SelectionError(this.selector, problem, { cause });
  }

  #inOrder(set: readonly ScoredChunk[]): readonly ScoredChunk[] {
    const { order = readingOrder } = this.request;
    let ordered: ScoredChunk[];
    try {
      ordered = order(set);
    } catch (error) {
      throw this.fail(`the order of a set of ${set.length} failed.`, error);
    }
    const given = new Set(set);
    if (ordered.length === set.length && ordered.every((chunk) => given.delete(chunk))) {
      return ordered;
    }
    throw this.fail(`the order of a set of ${set.length} added, repeated or dropped chunks.`);
  }

  #costOf(chunks: readonly ScoredChunk[]): number {
    const { cost } = this.request;
    let value: number;
    try {
      value = cost.of(chunks);
    } catch (error) {
      throw this.fail(`the cost "${cost.name}" of a set of ${chunks.length} failed.`, error);
    }
    if (Number.isFinite(value) && value >= 0) return value;
    throw this.fail(`the cost "${cost.name}" of a set of ${chunks.length} is ${value}.`);
  }
}
