import { InvalidArgumentError } from '../../errors.js';
import type { RecomputePolicy } from '../../reuse/policy.js';

/** Woven answers of production held against what a full prefill of the same prompt gives, while nothing else is to do. */
export interface ShadowOptions {
  /** Share of woven answers that are checked, in [0, 1]. */
  readonly rate: number;
  /**
   * Most mean KL, in nats a token, that the last {@link window} results may have; past it, questions that do not say
   * otherwise are answered by a full prefill until `resetShadow()`. Default: no bound.
   */
  readonly maxKl?: number;
  /** Results that are averaged; the bound is held against them from when there are so many. Default 20. */
  readonly window?: number;
  /** Called after each check. One that throws is not called again. */
  readonly onResult?: (result: ShadowResult) => void;
  /** The same seed picks the same answers of a row of questions. Default: another one each time. */
  readonly seed?: number;
}

/** How far a woven answer was from a full prefill of its prompt. */
export interface ShadowResult {
  readonly question: string;
  /** Tokens of the answer that were compared: all of them, at most the first 512. */
  readonly tokens: number;
  /**
   * Kullback-Leibler divergence of the full prefill's next-token distribution from the woven one, mean over the tokens,
   * in nats. The woven one's 64 likeliest tokens are told apart and all others taken together, so the true value may be
   * slightly larger.
   */
  readonly kl: number;
  /** Share of tokens for which both hold the same one for the likeliest. */
  readonly agreement: number;
  /** Milliseconds that the check took. */
  readonly milliseconds: number;
  /** Means over the last results, this one included. */
  readonly recent: ShadowMeans;
  /** True for the one result with which the bound was passed. */
  readonly tripped: boolean;
}

/** Means over so many checks: of the KL divergence, and of how often the most likely token was the same. */
export interface ShadowMeans {
  readonly results: number;
  readonly kl: number;
  readonly agreement: number;
}

export interface ShadowStats {
  /** Answers that were picked so far, and what became of them. */
  readonly sampled: number;
  readonly checked: number;
  /** Waiting for the weave to be idle, or being checked. */
  readonly pending: number;
  /** Given up: others came in, and no idle time was found. */
  readonly dropped: number;
  /** The engine failed; the last problem is told, also that of a policy which refused a result. */
  readonly failed: number;
  readonly problem?: string;
  /** Over the last results; absent before the first. */
  readonly recent?: ShadowMeans;
  /** The bound was passed: questions are answered by a full prefill. */
  readonly tripped: boolean;
}

/** @throws InvalidArgumentError */
export function checkShadowOptions({ rate, maxKl, window, seed }: ShadowOptions): void {
  if (!(rate >= 0 && rate <= 1)) throw refusal('rate', rate, 'a number from 0 to 1');
  if (maxKl !== undefined && !(maxKl >= 0)) {
    throw refusal('maxKl', maxKl, 'a number of nats of at least 0');
  }
  if (window !== undefined && !(Number.isSafeInteger(window) && window >= 1)) {
    throw refusal('window', window, 'a whole number of at least 1');
  }
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw refusal('seed', seed, 'a whole number');
  }
}

/** @throws InvalidArgumentError for a policy that goes by shadow checks where there are none */
export function assertChecked(
  policy: RecomputePolicy | undefined,
  shadow: Pick<ShadowOptions, 'rate'> | undefined,
): void {
  if (!policy?.observe || (shadow && shadow.rate > 0)) return;
  throw new InvalidArgumentError(
    `The policy ${policy.name} goes by how far answers are from a full prefill, which nothing measures: give createWeave shadow: { rate: 0.05 } or so.`,
  );
}

function refusal(name: string, value: unknown, wanted: string): InvalidArgumentError {
  return new InvalidArgumentError(`shadow.${name} is ${String(value)}; give ${wanted}.`);
}
