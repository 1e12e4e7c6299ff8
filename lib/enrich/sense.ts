import { englishStopWords } from '../retrieve/stop-words.js';

/** Whether one telling term at least is among those that are known. */
export function isAbout(terms: readonly string[], known: ReadonlySet<string>): boolean {
  return terms.some((term) => known.has(term) && !englishStopWords.has(term));
}

/** Whether half of the telling terms are known, and there are any: the rest may be how a model puts it. */
export function isGrounded(terms: readonly string[], known: ReadonlySet<string>): boolean {
  const telling = new Set(terms.filter((term) => !englishStopWords.has(term)));
  let found = 0;
  for (const term of telling) if (known.has(term)) found++;
  return found > 0 && 2 * found >= telling.size;
}

/** Small models fall into saying one word, or a few, again and again. */
export function isRepetitive(terms: readonly string[]): boolean {
  const distinct = new Set(terms).size;
  return terms.length >= 3 && distinct * (terms.length < 20 ? 2 : 3) <= terms.length;
}
