import type { TokenizedDocument } from '../../document.js';
import type { Units } from '../units.js';

/** What readers of a document are likely to ask, found before it is cut. */
export interface IntentSource {
  readonly name: string;
  /**
   * Questions, each once; none where nothing can be said.
   * @param count of questions that are wanted
   */
  intentsOf(
    document: TokenizedDocument,
    units: Units,
    options: { readonly count: number; readonly signal?: AbortSignal },
  ): Promise<readonly string[]>;
}

/**
 * How many intents a document of so many sentences has: 15 up to 200, then as many more as it is longer, beyond 500
 * growing with the power 0.7, 50 at most (code of IDC, arXiv 2602.14784).
 */
export function intentCount(sentences: number): number {
  if (sentences <= 200) return 15;
  const at500 = (15 * 500) / 200;
  const count = sentences <= 500 ? (15 * sentences) / 200 : at500 * (sentences / 500) ** 0.7;
  return Math.min(50, Math.round(count));
}

/** Share of words that two questions have in common, in [0, 1]. */
export function wordOverlap(a: string, b: string): number {
  const x = wordsOf(a);
  const y = wordsOf(b);
  let common = 0;
  for (const word of x) if (y.has(word)) common++;
  const all = x.size + y.size - common;
  return all > 0 ? common / all : 1;
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
}
