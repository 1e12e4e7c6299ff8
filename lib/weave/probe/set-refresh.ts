import { heaviest } from '../../reuse/heaviest.js';

/** A passage of a set where it stands in a sequence. */
export interface PlacedPassage {
  /** Its first entry. */
  readonly start: number;
  /** How much the question looks at each of its tokens; undefined where that is not known. */
  readonly masses: Float32Array | undefined;
}

/** Tokens that a share of those behind the first passage are. */
export function refreshCount(share: number, sizes: readonly number[]): number {
  let tokens = 0;
  for (const size of sizes.slice(1)) tokens += size;
  return Math.round(share * tokens);
}

/**
 * Entries of a set to compute again, ascending: of all tokens behind the first passage, whose KV saw what stands before it,
 * those that the question looks at most.
 */
export function entriesToRefresh(passages: readonly PlacedPassage[], count: number): Int32Array {
  const later = passages.slice(1);
  const picked = heaviest(
    later.map(({ masses }) => masses),
    count,
  );
  const entries = later.flatMap(({ start }, i) =>
    Array.from(picked[i] as Int32Array, (token) => start + token),
  );
  return Int32Array.from(entries).sort();
}
