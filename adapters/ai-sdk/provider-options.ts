import { InvalidArgumentError } from '../../lib/errors.js';
import type { AskOptions } from '../../lib/weave/options.js';

/**
 * What a call may say under `providerOptions.chunkweave`. The first group is for models that weave, and refused by those
 * that do not.
 */
export type ChunkweaveProviderOptions = Partial<
  Readonly<{
    [Name in WeaveOption]: NonNullable<AskOptions[Name]>;
  }>
> & {
  /** Drop tokens less likely than this times the most likely; default 0. */
  readonly minP?: number;
  /** Default 1. */
  readonly repeatPenalty?: number;
  /** How many recent tokens the penalties look at; default 64. */
  readonly penaltyWindow?: number;
  /** GBNF grammar that the answer must follow; not together with a JSON response or tools. */
  readonly grammar?: string;
};

type WeaveOption = (typeof weaveOptions)[number];

export const weaveOptions = [
  'topK',
  'retrieve',
  'budget',
  'order',
  'layout',
  'overflow',
  'whenNothingFound',
  'reuse',
] as const satisfies readonly (keyof AskOptions)[];

const kinds: Readonly<Record<string, 'number' | 'string' | 'object'>> = {
  topK: 'number',
  retrieve: 'number',
  budget: 'object',
  order: 'string',
  layout: 'string',
  overflow: 'string',
  whenNothingFound: 'string',
  reuse: 'string',
  minP: 'number',
  repeatPenalty: 'number',
  penaltyWindow: 'number',
  grammar: 'string',
};

/**
 * The options under `chunkweave`. What they mean is checked by who uses them.
 * @throws InvalidArgumentError for a name that is none, or a value of another type.
 */
export function readProviderOptions(
  options: Readonly<Record<string, unknown>> | undefined,
): ChunkweaveProviderOptions {
  const given = options?.['chunkweave'] ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new InvalidArgumentError('providerOptions.chunkweave must be an object.');
  }
  for (const [name, value] of Object.entries(given)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw new InvalidArgumentError(
        `providerOptions.chunkweave has no "${name}". It has: ${Object.keys(kinds).join(', ')}.`,
      );
    }
    if (value !== undefined && (typeof value !== kind || value === null)) {
      throw new InvalidArgumentError(`providerOptions.chunkweave.${name} must be of type ${kind}.`);
    }
  }
  return given;
}
