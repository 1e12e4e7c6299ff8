import { InvalidArgumentError } from '../../errors.js';
import type { ScoredChunk } from '../../retrieve/retriever.js';
import { assertNumber } from '../numbers.js';
import type { SetCost } from '../selector.js';

export interface MoneyCostOptions {
  /** Of a million input tokens, in any currency. */
  readonly pricePerMillion: number;
  /** Of a million input tokens that the provider has cached; default that of others. */
  readonly cachedPricePerMillion?: number;
  /**
   * How many of a set's tokens count as cached, for example those of the longest beginning that an earlier prompt had
   * too; default none. More chunks must not turn fresh tokens of others into cached ones.
   */
  readonly cachedTokens?: (set: readonly ScoredChunk[]) => number;
}

/**
 * What a set's tokens cost at a remote model, in the currency of the prices.
 * @throws InvalidArgumentError for prices that are negative or not finite, or a cached one above the other
 */
export function moneyCost({
  pricePerMillion,
  cachedPricePerMillion = pricePerMillion,
  cachedTokens = () => 0,
}: MoneyCostOptions): SetCost {
  assertNumber('moneyCost: pricePerMillion', pricePerMillion, 0);
  assertNumber('moneyCost: cachedPricePerMillion', cachedPricePerMillion, 0);
  if (cachedPricePerMillion > pricePerMillion) {
    throw new InvalidArgumentError(
      `moneyCost: cached tokens cost ${cachedPricePerMillion} and others ${pricePerMillion}; cached ones cannot cost more.`,
    );
  }
  return {
    name: 'money',
    unit: 'money',
    of(set) {
      const tokens = set.reduce((sum, { chunk }) => sum + chunk.tokens.length, 0);
      const cached = cachedTokens(set);
      if (!(cached >= 0 && cached <= tokens)) {
        throw new InvalidArgumentError(
          `moneyCost: cachedTokens gave ${cached} for a set of ${tokens} tokens.`,
        );
      }
      return ((tokens - cached) * pricePerMillion + cached * cachedPricePerMillion) / 1e6;
    },
  };
}
