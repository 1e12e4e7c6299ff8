import { NEWLINE, classBefore } from './characters.js';

/** Abbreviations that are followed by a name, a number or an example rather than by a new sentence. */
const abbreviations = new Set(
  (
    'mr mrs ms dr prof st sr jr rev hon gen col capt lt sgt maj gov sen rep pres messrs mme mlle ' +
    'vs cf eg ie viz al fig figs eq eqs ref refs sec ch vol vols no nos pp ed eds approx ca dept est ' +
    'inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec bzw usw hr fr nr str ca'
  ).split(' '),
);
const longest = 6;

/**
 * Whether the sign at `end` (a full stop, question mark and the like, with white space after it) ends a
 * sentence when `next` is where the text goes on. Looks a few characters around, never further.
 */
export function endsSentence(text: string, end: number, next: number): boolean {
  const sign = text.charAt(end);
  // A sentence does not begin with a small letter: "e.g. this", "Yahoo! then".
  const first = String.fromCodePoint(text.codePointAt(next) ?? 0);
  if (/\p{Ll}/u.test(first)) return false;
  if (sign !== '.') return true;
  let start = end;
  while (start > 0 && end - start <= longest && /[\p{L}\p{N}]/u.test(text.charAt(start - 1)))
    start--;
  const word = text.slice(start, end);
  if (word.length === 0 || word.length > longest) return true;
  // Initials and dotted short forms: "J. R. R.", "U.S. President".
  if (word.length === 1 && /\p{Lu}/u.test(word)) return false;
  // Numbers of list items stand at the beginning of their line.
  if (/^\p{N}+$/u.test(word)) return start > 0 && classBefore(text, start) !== NEWLINE;
  return !abbreviations.has(word.toLowerCase());
}
