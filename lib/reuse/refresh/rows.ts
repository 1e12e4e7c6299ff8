import type { Span } from '../../engine/span.js';
import { plannedTokens } from '../check-plan.js';
import type { RefreshPlan } from '../policy.js';
import type { RefreshTarget } from './target.js';

/** Entries of the tokens that a plan computes again, ascending: row `i` of their group is entry `i` of these. */
export function entriesOf(plan: RefreshPlan, spans: readonly Span[]): Int32Array {
  const entries = new Int32Array(plannedTokens(plan));
  let n = 0;
  for (const { passage, tokens } of plan.passages) {
    const start = spans[passage]?.start ?? 0;
    for (const token of tokens) entries[n++] = start + token;
  }
  return entries.sort();
}

/** Which rows of a batch stand for which tokens, and which of them are still computed. */
export class Rows {
  readonly spans: readonly Span[];
  readonly #entries: Int32Array;
  /** Rows that are still computed, ascending. */
  #live: Int32Array;

  constructor({ spans }: Pick<RefreshTarget, 'spans'>, entries: Int32Array = new Int32Array(0)) {
    this.spans = spans;
    this.#entries = entries;
    this.#live = Int32Array.from(entries.keys());
  }

  get count(): number {
    return this.#live.length;
  }

  /** Rows of refreshed tokens, whether they are still computed or not: those of the question follow. */
  get all(): number {
    return this.#entries.length;
  }

  get rows(): Int32Array {
    return this.#live;
  }

  /** For each passage the tokens that are still computed, ascending. */
  get live(): Int32Array[] {
    return this.split((row, start) => (this.#entries[row] as number) - start, Int32Array);
  }

  /** For each passage one value for each live token; `of` gets its row, the passage's first entry, and its place. */
  split<T extends Int32Array | Float32Array>(
    of: (row: number, start: number, place: number) => number,
    List: { from(values: readonly number[]): T },
  ): T[] {
    const lists: number[][] = this.spans.map(() => []);
    let passage = 0;
    for (const [place, row] of this.#live.entries()) {
      const entry = this.#entries[row] as number;
      // Spans are in order, as rows are.
      while (entry >= (this.spans[passage]?.end ?? Infinity)) passage++;
      lists[passage]?.push(of(row, this.spans[passage]?.start ?? 0, place));
    }
    return lists.map((list) => List.from(list));
  }

  /** Only these tokens, a list for each passage, go on. */
  keep(tokens: readonly Int32Array[]): void {
    const wanted = new Set<number>();
    for (const [passage, list] of tokens.entries()) {
      const start = this.spans[passage]?.start ?? 0;
      for (const token of list) wanted.add(start + token);
    }
    this.#live = this.#live.filter((row) => wanted.has(this.#entries[row] as number));
  }
}
