import { InvalidArgumentError } from '../errors.js';
import type { RemoteUsage } from './cached-usage.js';

/** Money for a million tokens each, in one currency. */
export interface TokenPrices {
  readonly prompt: number;
  /** Default that of the prompt: no rebate. */
  readonly cached?: number;
  /** Default that of the prompt. */
  readonly written?: number;
  readonly generated: number;
}

export interface LedgerReport {
  readonly requests: number;
  /** Requests of which the server said what was cached: the rates are over those. */
  readonly reported: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  /** Cached share of the prompt tokens of reported requests, in [0, 1]; absent before any. */
  readonly hitRate?: number;
  /** Spent so far; absent without prices. */
  readonly cost?: number;
  /** What the same tokens would have cost without any cache; absent without prices. */
  readonly uncachedCost?: number;
}

/** Adds up what a server reused, and what that saved. */
export class CacheLedger {
  readonly #prices: TokenPrices | undefined;
  readonly #sums = {
    requests: 0,
    reported: 0,
    prompt: 0,
    heard: 0,
    cached: 0,
    written: 0,
    generated: 0,
  };

  /** @throws InvalidArgumentError for a price that is no number of at least 0. */
  constructor(prices?: TokenPrices) {
    for (const [name, price] of Object.entries(prices ?? {})) {
      if (!(typeof price === 'number' && price >= 0 && price < Infinity)) {
        throw new InvalidArgumentError(
          `The price "${name}" must be a number of at least 0, not ${price}.`,
        );
      }
    }
    this.#prices = prices;
  }

  add({ prompt, cached, written = 0, generated }: RemoteUsage): void {
    const sums = this.#sums;
    sums.requests++;
    sums.prompt += prompt;
    sums.written += written;
    sums.generated += generated;
    if (cached === undefined) return;
    sums.reported++;
    sums.heard += prompt;
    sums.cached += cached;
  }

  report(): LedgerReport {
    const { requests, reported, prompt, heard, cached, written, generated } = this.#sums;
    const prices = this.#prices;
    const money = prices && {
      cost:
        ((prompt - cached - written) * prices.prompt +
          cached * (prices.cached ?? prices.prompt) +
          written * (prices.written ?? prices.prompt) +
          generated * prices.generated) /
        1e6,
      uncachedCost: (prompt * prices.prompt + generated * prices.generated) / 1e6,
    };
    return {
      requests,
      reported,
      promptTokens: prompt,
      cachedTokens: cached,
      generatedTokens: generated,
      ...(heard > 0 && { hitRate: cached / heard }),
      ...money,
    };
  }
}
