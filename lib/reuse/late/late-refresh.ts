import { InvalidArgumentError } from '../../errors.js';
import { assertCount, assertRatio, staleTokens } from '../budget.js';
import { heaviest } from '../heaviest.js';
import type { RefreshPlan } from '../policy.js';
import { entriesOf } from '../refresh/rows.js';
import type { RefreshTarget } from '../refresh/target.js';

export interface LateRefreshOptions {
  /** Share of the passages' tokens that is computed again each time, in (0, 1]. */
  readonly ratio: number;
  /** Generated tokens between two times; default 16. The last so many of them are what asks. */
  readonly every?: number;
  /** Layers whose attention counts, ascending; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
}

/** @throws InvalidArgumentError */
export function assertLateRefresh({ ratio, every = defaultEvery }: LateRefreshOptions): void {
  assertRatio('refreshLate', ratio);
  if (ratio === 0) {
    throw new InvalidArgumentError('refreshLate: ratio is 0; leave the option out instead.');
  }
  assertCount('refreshLate', 'every', every);
}

const defaultEvery = 16;

/**
 * Goes on repairing passages while the answer is written (after the second stage of KVShare, arXiv 2503.16525): every
 * few tokens, what was written last is asked which tokens of the passages it looks at most, of those that are not exact
 * and were not computed again, and a share of them is. What comes after sees them.
 *
 * The tokens of the answer must be at the end of the sequence. A probe holds as many cells as it asks with for a moment.
 */
export class LateRefresh {
  readonly #target: RefreshTarget;
  readonly #ratio: number;
  readonly #every: number;
  readonly #layers: readonly number[] | undefined;
  /** For each passage, 1 for tokens that may still be computed again. */
  readonly #open: readonly Uint8Array[];
  /** Entries in front of the answer. */
  readonly #prompt: number;
  #left: number;
  #next: number;
  /** Tokens that were computed again, and those of them whose KV had come from the cache. */
  tokens = 0;
  recomputed = 0;
  milliseconds = 0;
  /** Layer-tokens of the probes. */
  probed = 0;

  /**
   * @param target with the question computed and nothing after it.
   * @param plan what was computed again before.
   * @throws InvalidArgumentError
   */
  constructor(target: RefreshTarget, plan: RefreshPlan, options: LateRefreshOptions) {
    assertLateRefresh(options);
    const { ratio, every = defaultEvery, layers } = options;
    this.#target = target;
    this.#ratio = ratio;
    this.#every = every;
    this.#next = every;
    this.#layers = layers;
    this.#prompt = target.sequence.length;
    this.#open = target.passages.map(({ tokens, exact }) =>
      new Uint8Array(tokens.length).fill(exact ? 0 : 1),
    );
    this.#left = staleTokens(target.passages);
    for (const { passage, tokens } of plan.passages) this.#close(passage, tokens);
  }

  /**
   * To be called after each token, and awaited before the next is asked for, so that a text does not depend on how fast
   * anything is. Does nothing most of the time.
   *
   * @param generated tokens of the answer; the last may still be on its way into the sequence.
   * @param left tokens that may follow: near the end of an answer nothing is gained.
   * @throws what the engine throws, or the signal's reason. What was being computed again is stale then.
   */
  async after(generated: number, left: number, signal?: AbortSignal): Promise<void> {
    const { sequence } = this.#target;
    const written = generated - 1;
    if (written < this.#next || this.#left === 0 || left < this.#every) return;
    this.#next = written + this.#every;
    const start = performance.now();
    const weights = await this.#probe(this.#prompt + written, signal);
    const picked = heaviest(weights, this.#budget());
    const passages = picked.map((tokens, passage) => ({ passage, tokens, reason: '' }));
    const entries = entriesOf({ policy: '', passages }, this.#target.spans);
    await sequence.refresh(entries, { logits: 'none', ...(signal && { signal }) });
    for (const { passage, tokens } of passages) this.#close(passage, tokens, true);
    this.milliseconds += performance.now() - start;
  }

  #budget(): number {
    let total = 0;
    for (const { length } of this.#open) total += length;
    return Math.min(this.#left, Math.max(1, Math.round(this.#ratio * total)));
  }

  /** For each passage how much the last tokens of the answer look at its tokens; below 0 at those that are done with. */
  async #probe(end: number, signal?: AbortSignal): Promise<Float32Array[]> {
    const { sequence, spans } = this.#target;
    const start = end - this.#every;
    const asking = sequence.tokens.slice(start, end);
    // As if they were not there yet. The fork must be gone before cells are written, or they would be copied.
    using before = sequence.fork(start);
    const { byEntry, layers } = await before.probe(asking, {
      ...(this.#layers && { layers: this.#layers }),
      ...(signal && { signal }),
    });
    this.probed += asking.length * ((layers.at(-1) ?? -1) + 1);
    return spans.map((span, passage) =>
      Float32Array.from(this.#open[passage] ?? [], (open, token) =>
        open ? (byEntry[span.start + token] as number) : -1,
      ),
    );
  }

  #close(passage: number, tokens: Int32Array, now = false): void {
    const open = this.#open[passage];
    if (!open) return;
    for (const token of tokens) {
      this.#left -= open[token] as number;
      open[token] = 0;
    }
    if (!now) return;
    this.tokens += tokens.length;
    if (this.#target.passages[passage]?.cached) this.recomputed += tokens.length;
  }
}
