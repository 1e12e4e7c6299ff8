import type { RecomputePolicy } from '../../reuse/policy.js';
import { type KeptRow, keepRow } from './kept-row.js';

/** Tokens of an answer that are compared at most: some 0.4 MB are kept of them. */
const mostRows = 512;

/** An answer that was picked, as it was woven. */
export interface ShadowJob {
  readonly question: string;
  /** The whole prompt. */
  readonly prompt: Int32Array;
  /** Tokens of the answer that followed it: all that rows were kept for but the last. */
  readonly answer: Int32Array;
  /** Row `i` is what was to come after `i` tokens of the answer. */
  readonly rows: readonly KeptRow[];
  /** That hears of the result. */
  readonly policy: RecomputePolicy | undefined;
}

/** Follows an answer as it is generated. */
export class ShadowSample {
  readonly #rows: KeptRow[] = [];
  readonly #policy: RecomputePolicy | undefined;
  readonly #add: (job: ShadowJob) => void;

  constructor(policy: RecomputePolicy | undefined, add: (job: ShadowJob) => void) {
    this.#policy = policy;
    this.#add = add;
  }

  /** To be called with the logits that each token was chosen from. */
  readonly onLogits = (logits: Float32Array): void => {
    if (this.#rows.length < mostRows) this.#rows.push(keepRow(logits));
  };

  /** @param tokens of the answer, without the end-of-generation token */
  finish(question: string, prompt: Int32Array, tokens: Int32Array): void {
    const rows = this.#rows;
    if (rows.length === 0) return;
    const answer = tokens.slice(0, rows.length - 1);
    this.#add({ question, prompt, answer, rows, policy: this.#policy });
  }
}
