import { InvalidArgumentError } from '../errors.js';
import type { PassageRefresh, PassageView } from './policy.js';

/** @throws InvalidArgumentError unless it is a share. */
export function assertRatio(policy: string, ratio: number, name = 'ratio'): void {
  if (ratio >= 0 && ratio <= 1) return;
  throw new InvalidArgumentError(
    `${policy}: ${name} is ${ratio}; give the share to recompute, from 0 to 1.`,
  );
}

/** @throws InvalidArgumentError unless it is a positive whole number. */
export function assertCount(policy: string, name: string, count: number): void {
  if (Number.isSafeInteger(count) && count > 0) return;
  throw new InvalidArgumentError(`${policy}: ${name} is ${count}; give a positive whole number.`);
}

/** Tokens that a share of all passages' tokens comes to; never more than are not exact already. */
export function budgetOf(passages: readonly PassageView[], ratio: number): number {
  let total = 0;
  for (const { tokens } of passages) total += tokens.length;
  return Math.min(staleTokens(passages), Math.round(ratio * total));
}

/** Tokens whose KV is not what a full prefill would give. */
export function staleTokens(passages: readonly PassageView[]): number {
  let stale = 0;
  for (const { tokens, exact } of passages) if (!exact) stale += tokens.length;
  return stale;
}

/** For each passage, scores of its tokens; those of exact passages take no part in a choice. */
export function ofStale<T>(
  passages: readonly PassageView[],
  scores: readonly T[],
): (T | undefined)[] {
  return passages.map(({ exact }, i) => (exact ? undefined : scores[i]));
}

/** Picks as a plan names them: passages without any are left out. */
export function refreshes(picked: readonly Int32Array[], reason: string): PassageRefresh[] {
  return picked.flatMap((tokens, passage) =>
    tokens.length > 0 ? [{ passage, tokens, reason }] : [],
  );
}

/** All tokens that are not exact: what a policy begins with that looks at fresh KV. */
export function allStale(passages: readonly PassageView[], reason: string): PassageRefresh[] {
  return refreshes(
    passages.map(({ exact, tokens }) =>
      exact ? new Int32Array(0) : Int32Array.from(tokens.keys()),
    ),
    reason,
  );
}
