import { InvalidArgumentError } from '../../errors.js';

/** A part of a document that was cut by its structure alone, since a model could not be used for it. */
export interface ChunkingNotice {
  readonly kind: 'structural-fallback';
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
