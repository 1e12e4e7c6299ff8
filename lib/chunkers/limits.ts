import type { TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';

/** Fewest tokens that a chunker may be limited to: the bytes of one character. */
const least = 4;

export interface Limits {
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly overlapTokens: number;
}

/**
 * Sizes of chunks that fit each other: `minTokens` is by default a tenth of `maxTokens`, `overlapTokens` 0; both at
 * most half of it.
 *
 * @throws InvalidArgumentError
 */
export function checkedLimits(options: {
  readonly maxTokens: number;
  readonly minTokens?: number | undefined;
  readonly overlapTokens?: number | undefined;
}): Limits {
  const { maxTokens, overlapTokens = 0 } = options;
  if (!Number.isSafeInteger(maxTokens) || maxTokens < least) {
    throw new InvalidArgumentError(
      `maxTokens must be a whole number of at least ${least}, not ${maxTokens}.`,
    );
  }
  const { minTokens = Math.floor(maxTokens / 10) } = options;
  for (const [name, value] of Object.entries({ minTokens, overlapTokens })) {
    if (Number.isSafeInteger(value) && value >= 0 && value <= maxTokens / 2) continue;
    throw new InvalidArgumentError(
      `${name} must be a whole number from 0 to half of maxTokens (${maxTokens}), not ${value}.`,
    );
  }
  return { maxTokens, minTokens, overlapTokens };
}

/** A chunker's name with its settings: `fixed(200, overlap 20)`. */
export function nameOf(kind: string, settings: readonly (string | number | false | undefined)[]) {
  return `${kind}(${settings.filter((part) => part !== false && part !== undefined).join(', ')})`;
}

/** @throws InvalidArgumentError for tokens that cannot be those of the document. */
export function checkTokens({ id, tokens }: TokenizedDocument): void {
  const { ids, starts } = tokens;
  if (starts.length === ids.length + 1) return;
  throw new InvalidArgumentError(
    `The tokens of document "${id}" need ${ids.length + 1} starts, not ${starts.length}.`,
  );
}

/** @throws InvalidArgumentError always: so many tokens follow each other without a place to cut. */
export function refuseUncuttable(tokens: number, offset: number, maxTokens: number): never {
  throw new InvalidArgumentError(
    `maxTokens is ${maxTokens}, but the ${tokens} tokens from offset ${offset} on ` +
      'have no border between characters among them. Use a larger maxTokens.',
  );
}
