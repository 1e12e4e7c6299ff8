import { InvalidArgumentError } from '../../errors.js';

/** What did not go as it should with a part of a document. */
export interface ChunkingNotice {
  /**
   * `structural-fallback`: the part was cut by its structure alone, since a model could not be used for it. `unjudged`: of
   * several segmentations by a model the first was taken, since what tells the best one failed.
   */
  readonly kind: 'structural-fallback' | 'unjudged';
  readonly documentId: string;
  /** The part, `[start, end)` in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** A sentence for people. */
  readonly message: string;
  readonly cause?: unknown;
}

export type OnChunkingNotice = (notice: ChunkingNotice) => void;

/** @throws InvalidArgumentError unless a whole number from 0 to `maxTokens` */
export function checkedTarget(name: string, target: number, maxTokens: number): number {
  if (Number.isSafeInteger(target) && target >= 0 && target <= maxTokens) return target;
  throw new InvalidArgumentError(
    `${name}: targetTokens is ${target}; give a whole number from 0 to maxTokens (${maxTokens}).`,
  );
}
