import type { Steps } from '../pace.js';
import type { BorderMap } from './border-map.js';
import { hashBefore } from './units.js';

/** Above every hash. */
const HASH = 2 ** 32;

/**
 * Borders that are better than all others within `reach` tokens: stronger, or as strong and of lower hash of the text before
 * them. So whether one is such says the text around it, and none depends on where an earlier one is.
 *
 * @param strong the tokens that borders are before, ascending, and the end of the text.
 */
export function* anchorsAmong(
  borders: BorderMap,
  strong: Int32Array,
  reach: number,
): Steps<number[]> {
  const count = strong.length - 1;
  const ranks = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    const token = strong[k] as number;
    ranks[k] = borders.strength(token) * HASH + hashBefore(borders.text, borders.start(token), 0);
    if ((k & 0x3ff) === 0) yield (0.7 * k) / count;
  }
  const anchors: number[] = [];
  // Borders of the window, each better than those after it.
  const window = new Int32Array(count);
  let head = 0;
  let tail = 0;
  let ahead = 0;
  for (let k = 0; k < count; k++) {
    const at = strong[k] as number;
    for (; ahead < count && (strong[ahead] as number) - at < reach; ahead++) {
      const rank = ranks[ahead] as number;
      while (tail > head && (ranks[window[tail - 1] as number] as number) > rank) tail--;
      window[tail++] = ahead;
    }
    while (at - (strong[window[head] as number] as number) >= reach) head++;
    const isInside = at >= reach && borders.size - at >= reach;
    if (isInside && window[head] === k) anchors.push(at);
    if ((k & 0x3ff) === 0) yield 0.7 + (0.3 * k) / count;
  }
  return anchors;
}
