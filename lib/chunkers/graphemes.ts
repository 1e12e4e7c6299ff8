/**
 * Where user-perceived characters begin, decided from a few characters around one place. `Intl.Segmenter`
 * takes quadratic time on long texts and its answers change with the platform's ICU; chunks must not.
 */

/** Marks, skin tones, joiners, tags, half-width voicing signs, and the Thai and Lao vowel AM. */
const extend =
  /\p{M}|\p{Emoji_Modifier}|[\u{200c}-\u{200d}]|[\u{e0020}-\u{e007f}]|[\uff9e\uff9f]|\u0e33|\u0eb3/u;
const pictograph = /\p{Extended_Pictographic}/u;
const letter = /\p{Lo}/u;
/** Signs that join two consonants of the same script into one cluster. */
const viramas = '\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d';
const zwj = 0x200d;
/** A flag is two regional indicators; a longer run than this is no text. */
const longestFlagRun = 64;

/** Whether a new user-perceived character begins at `index`, which must not split a surrogate pair. */
export function isGraphemeStart(text: string, index: number): boolean {
  if (index <= 0 || index >= text.length) return true;
  const next = text.charCodeAt(index);
  if (next < 0x300) return !(next === 0x0a && text.charCodeAt(index - 1) === 0x0d);
  // Ideographs and kana, the bulk of text beyond these checks, join nothing.
  if (next >= 0x3400 && next < 0xa000) return true;

  const point = text.codePointAt(index) ?? 0;
  const character = String.fromCodePoint(point);
  if (extend.test(character)) return !joinsBackwards(text, index);
  const before = text.charCodeAt(index - 1);
  if (before === zwj && pictograph.test(character)) return !pictographBefore(text, index - 1);
  if (isRegional(point)) return regionalRun(text, index) % 2 === 0;
  if (point >= 0x1100 && point < 0xd7fc) return !joinsHangul(before, point);
  return !joinsConjunct(text, index, character);
}

/** Marks join whatever stands before them, except a control character. */
function joinsBackwards(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  return (
    before >= 0x20 && !(before >= 0x7f && before < 0xa0) && before !== 0x2028 && before !== 0x2029
  );
}

/** The code point that ends at `index`, or -1 at the start of the text. */
function pointBefore(text: string, index: number): number {
  if (index <= 0) return -1;
  const unit = text.charCodeAt(index - 1);
  if (unit < 0xdc00 || unit > 0xdfff || index < 2) return unit;
  const pair = text.codePointAt(index - 2) ?? unit;
  return pair > 0xffff ? pair : unit;
}

function pictographBefore(text: string, end: number): boolean {
  let index = end;
  // A pictograph may carry a skin tone and a variation selector; more than a few is no emoji.
  for (let steps = 0; steps < 8; steps++) {
    const point = pointBefore(text, index);
    if (point < 0) return false;
    const character = String.fromCodePoint(point);
    if (pictograph.test(character) && !extend.test(character)) return true;
    if (!extend.test(character)) return false;
    index -= character.length;
  }
  return false;
}

function isRegional(point: number): boolean {
  return point >= 0x1f1e6 && point <= 0x1f1ff;
}

function regionalRun(text: string, end: number): number {
  let run = 0;
  while (run < longestFlagRun && isRegional(pointBefore(text, end - 2 * run))) run++;
  return run;
}

const LEADING = 1;
const VOWEL = 2;
const TRAILING = 3;
const OPEN_SYLLABLE = 4;
const CLOSED_SYLLABLE = 5;

function hangul(point: number): number {
  if ((point >= 0x1100 && point < 0x1160) || (point >= 0xa960 && point < 0xa97d)) return LEADING;
  if ((point >= 0x1160 && point < 0x11a8) || (point >= 0xd7b0 && point < 0xd7c7)) return VOWEL;
  if ((point >= 0x11a8 && point < 0x1200) || (point >= 0xd7cb && point < 0xd7fc)) return TRAILING;
  if (point >= 0xac00 && point < 0xd7a4)
    return (point - 0xac00) % 28 === 0 ? OPEN_SYLLABLE : CLOSED_SYLLABLE;
  return 0;
}

function joinsHangul(before: number, point: number): boolean {
  const left = hangul(before);
  const right = hangul(point);
  if (!left || !right) return false;
  if (right === TRAILING) return left !== LEADING;
  if (right === VOWEL) return left === LEADING || left === VOWEL || left === OPEN_SYLLABLE;
  return left === LEADING;
}

function joinsConjunct(text: string, index: number, character: string): boolean {
  const before = pointBefore(text, text.charCodeAt(index - 1) === zwj ? index - 1 : index);
  return before > 0 && viramas.includes(String.fromCodePoint(before)) && letter.test(character);
}
