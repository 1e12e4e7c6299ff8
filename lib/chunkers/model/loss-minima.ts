import type { Span } from '../../engine/span.js';
import type { UnitRange } from './unit-ranges.js';

/** Minima whose depths are known before a dynamic threshold changes. */
const enough = 100;

/** A number in nats, or one that changes as minima are found. */
export type LossThreshold = number | { readonly dynamic: number };

/**
 * Sentences at which the mean loss is lowest (Meta-Chunking, arXiv 2410.12788, equation 2 and its program): lower than
 * both neighbours, and by at least the threshold than one of them; or lower by at least the threshold than the one
 * before and equal to the one behind. Neither the first nor the last sentence is one. A sentence without a loss (NaN) is
 * none, nor are its neighbours.
 *
 * `{ dynamic }` begins with that threshold; from the 100th minimum on it is the smallest of what each found so far lies
 * below the nearer of its neighbours.
 */
export function lossMinima(losses: ArrayLike<number>, threshold: LossThreshold): number[] {
  const isDynamic = typeof threshold !== 'number';
  let least = isDynamic ? threshold.dynamic : threshold;
  let shallowest = Infinity;
  const minima: number[] = [];
  for (let i = 1; i < losses.length - 1; i++) {
    const own = losses[i] as number;
    const fall = (losses[i - 1] as number) - own;
    const rise = (losses[i + 1] as number) - own;
    const isLowest = fall > 0 && rise > 0 && (fall >= least || rise >= least);
    const isEdge = fall > 0 && rise === 0 && fall >= least;
    if (!isLowest && !isEdge) continue;
    minima.push(i);
    shallowest = Math.min(shallowest, isEdge ? fall : Math.min(fall, rise));
    if (isDynamic && minima.length >= enough) least = shallowest;
  }
  return minima;
}

/**
 * Sentences between minima. `after`: a minimum closes what is before it, since it is well explained by that; `overlap`:
 * it stands on both sides (the variant called "chongdie").
 */
export function rangesAtMinima(
  size: number,
  minima: readonly number[],
  boundary: 'after' | 'overlap',
): UnitRange[] {
  if (size === 0) return [];
  const ranges: UnitRange[] = [];
  let from = 0;
  for (const minimum of minima) {
    ranges.push({ from, to: minimum + 1 });
    from = boundary === 'after' ? minimum + 1 : minimum;
  }
  ranges.push({ from, to: size });
  return ranges;
}

/** Mean loss of each sentence, in nats a token, over the tokens that have one; NaN where none has. */
export function sentenceLosses(
  losses: ArrayLike<number>,
  sentences: readonly Span[],
): Float64Array {
  return Float64Array.from(sentences, ({ start, end }) => {
    let sum = 0;
    let count = 0;
    for (let token = start; token < end; token++) {
      const loss = losses[token] as number;
      if (Number.isNaN(loss)) continue;
      sum += loss;
      count++;
    }
    return sum / count;
  });
}
