import type { TokenizedDocument } from '../document.js';
import { IN_GRAPHEME, IN_WORD, isPlace, weakness } from './places.js';

/**
 * Lets every span but the first reach back into the one before it, by `overlap` tokens or a little less: not into the
 * middle of a word, unless there is nothing else. Changes the spans.
 */
export function addOverlap(
  { text, tokens }: TokenizedDocument,
  spans: Int32Array | number[],
  overlap: number,
): void {
  if (overlap === 0) return;
  for (let i = spans.length - 2; i > 0; i -= 2) {
    const start = spans[i] as number;
    // What was blank between the two is not part of the overlap's length.
    const previous = spans[i - 2] as number;
    const from = Math.max(previous + 1, start - overlap);
    let best = start;
    let bestWeakness = IN_GRAPHEME;
    for (let token = from; token < start && bestWeakness >= IN_WORD; token++) {
      if (!isPlace(text, tokens, token)) continue;
      const weak = weakness(text, tokens.starts[token] as number);
      if (weak >= bestWeakness) continue;
      best = token;
      bestWeakness = weak;
    }
    spans[i] = best;
  }
}
