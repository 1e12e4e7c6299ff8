/** What a character means for cutting text. Numbers, since they are looked up for every character. */
export const OTHER = 1;
export const SPACE = 2;
export const NEWLINE = 3;
/** Letters, digits and marks of scripts that put spaces between words. */
export const WORD = 4;
/** Han, Hiragana and Bopomofo: written without spaces, so a word may end after any of them. */
export const IDEOGRAPH = 5;
/** Ends a sentence where a space follows. */
export const SENTENCE_END = 6;
/** Ends a sentence whatever follows. */
export const WIDE_SENTENCE_END = 7;
export const CLAUSE_END = 8;
export const WIDE_CLAUSE_END = 9;
/** Quotes, brackets and emphasis that belong to what stands before them. */
export const CLOSER = 10;

const listed: readonly (readonly [string, number])[] = [
  ['\n\r\f\v\u2028\u2029', NEWLINE],
  ['.!?…‽؟۔।॥։።။។', SENTENCE_END],
  ['。！？｡．‼⁇⁈⁉', WIDE_SENTENCE_END],
  [',;:–—،؛', CLAUSE_END],
  ['，、；：､', WIDE_CLAUSE_END],
  ['\'")]}*_`’”»›」』）】〉》〕］｝＂', CLOSER],
];

/** Class of each UTF-16 unit, filled in when first met; 0 is not known yet. */
const classes = new Uint8Array(0x10000);
for (const [characters, kind] of listed) {
  for (const character of characters) classes[character.charCodeAt(0)] = kind;
}

const ideograph = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Bopomofo}]/u;
const word = /[\p{L}\p{N}\p{M}]/u;

function classify(character: string): number {
  if (/\s/.test(character)) return SPACE;
  if (ideograph.test(character)) return IDEOGRAPH;
  return word.test(character) ? WORD : OTHER;
}

function classOf(text: string, unit: number, codePointAt: number): number {
  const known = classes[unit];
  if (known) return known;
  // Halves of a pair are classified by their character, which 64 Ki entries cannot hold.
  if (unit >= 0xd800 && unit < 0xe000) {
    return classify(String.fromCodePoint(text.codePointAt(codePointAt) ?? unit));
  }
  return (classes[unit] = classify(String.fromCharCode(unit)));
}

/** Class of the character that begins at `index`. */
export function classAt(text: string, index: number): number {
  return classOf(text, text.charCodeAt(index), index);
}

/** Class of the character that ends at `index`. */
export function classBefore(text: string, index: number): number {
  const unit = text.charCodeAt(index - 1);
  return classOf(text, unit, isLow(unit) && index > 1 ? index - 2 : index - 1);
}

export function isBlankClass(kind: number): boolean {
  return kind === SPACE || kind === NEWLINE;
}

/** Whether `[start, end)` holds nothing but white space. Stops at the first character that is not. */
export function isBlank(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (!isBlankClass(classAt(text, i))) return false;
  }
  return true;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** Whether a border at `index` would split a surrogate pair. */
export function splitsPair(text: string, index: number): boolean {
  if (!isLow(text.charCodeAt(index))) return false;
  const before = text.charCodeAt(index - 1);
  return before >= 0xd800 && before < 0xdc00;
}
