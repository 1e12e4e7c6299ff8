import { InvalidArgumentError } from '../../errors.js';

/**
 * Which hits go into a prompt of so many tokens: from the best on, each that still fits. Numbers of hits, ascending.
 * Comparing retrievers at one budget instead of one `k` takes the size of their passages out of it.
 *
 * @param sizes of the hits, best first
 * @throws InvalidArgumentError for a budget below 0, or a size below 0
 */
export function fittingHits(sizes: ArrayLike<number>, budget: number): number[] {
  if (!(budget >= 0)) throw new InvalidArgumentError(`A budget must be at least 0, not ${budget}.`);
  const taken: number[] = [];
  let left = budget;
  for (let i = 0; i < sizes.length; i++) {
    const size = sizes[i] as number;
    if (!(size >= 0)) throw new InvalidArgumentError(`Hit ${i} has the size ${size}.`);
    if (size > left) continue;
    taken.push(i);
    left -= size;
  }
  return taken;
}
