/** Longest term that is kept, in UTF-16 units; the rest of a longer one is noise. */
const longestTerm = 64;

/** A word or a number with its inner signs, or a run of characters of a script without spaces. */
const word = /[\p{L}\p{N}\p{M}]+(?:['’.,][\p{L}\p{N}\p{M}]+)*/gu;

const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}ー]+/gu;

/** Accents, and the vowel points and signs that Arabic and Hebrew mostly leave out. */
const optionalMarks =
  /[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]/g;

/**
 * The terms of a text for lexical search, in order: words folded to lower case without accents and
 * possessive endings, and overlapping pairs of characters for scripts that are written without spaces.
 * Numbers keep their inner points. Nothing is stemmed: folding plurals found less, not more.
 */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  for (const [run] of fold(text).matchAll(word)) {
    if (isAscii(run)) addWord(terms, run);
    else addMixed(terms, run);
  }
  return terms;
}

function fold(text: string): string {
  const lower = text.toLowerCase();
  if (isAscii(lower)) return lower;
  return lower.normalize('NFKD').replace(optionalMarks, '').normalize('NFC').replaceAll('ß', 'ss');
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /^[\u0000-\u007f]*$/.test(text);
}

/** Takes runs without spaces out of what surrounds them: "iPhone手机" is a word and a run. */
function addMixed(terms: string[], run: string): void {
  let end = 0;
  for (const match of run.matchAll(unspaced)) {
    addWord(terms, run.slice(end, match.index));
    addPairs(terms, match[0]);
    end = match.index + match[0].length;
  }
  addWord(terms, run.slice(end));
}

/** Characters and pairs of them: pairs tell words apart, characters find a word of one. */
function addPairs(terms: string[], run: string): void {
  let previous = '';
  for (const character of run) {
    terms.push(character);
    if (previous) terms.push(previous + character);
    previous = character;
  }
}

function addWord(terms: string[], run: string): void {
  if (run === '') return;
  if (/^\p{N}/u.test(run)) {
    // 1,000 and 1000 are one number; 3.14 and 314 are two.
    terms.push(run.replace(/[,'’]/g, '').slice(0, longestTerm));
    return;
  }
  for (const part of run.split(/[.,]/)) {
    const plain = part.replace(/['’]s$/, '').replace(/['’]/g, '');
    if (plain) terms.push(plain.slice(0, longestTerm));
  }
}
