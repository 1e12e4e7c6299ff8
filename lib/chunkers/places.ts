import type { TokenizedText } from '../engine/tokenizer.js';
import {
  CLAUSE_END,
  CLOSER,
  IDEOGRAPH,
  NEWLINE,
  OTHER,
  SENTENCE_END,
  SPACE,
  WIDE_CLAUSE_END,
  WIDE_SENTENCE_END,
  WORD,
  classAt,
  classBefore,
  splitsPair,
} from './characters.js';
import { isGraphemeStart } from './graphemes.js';

/** How far inside a word a place lies. */
export const BETWEEN_WORDS = 0;
export const AT_SIGN = 1;
export const IN_WORD = 2;
export const IN_GRAPHEME = 3;

/** Of each pair of ASCII characters, one more than the weakness between them; 0 is not known yet. */
const pairs = new Uint8Array(0x80 * 0x80);
/** What stands before the pair decides. */
const DEPENDS = 0xff;

/** How far inside a word `index` lies, from {@link BETWEEN_WORDS} to {@link IN_GRAPHEME}. */
export function weakness(text: string, index: number): number {
  const left = text.charCodeAt(index - 1);
  const right = text.charCodeAt(index);
  if (left < 0x80 && right < 0x80) {
    const pair = (left << 7) | right;
    const known = pairs[pair] as number;
    if (known > 0 && known < DEPENDS) return known - 1;
    if (known === 0) {
      const found = weaknessOf(text, index);
      const depends = isInnerSign(text, index - 1) && classAt(text, index) === WORD;
      pairs[pair] = depends ? DEPENDS : found + 1;
      return found;
    }
  }
  return weaknessOf(text, index);
}

function weaknessOf(text: string, index: number): number {
  if (!isGraphemeStart(text, index)) return IN_GRAPHEME;
  const left = classBefore(text, index);
  const right = classAt(text, index);
  if (left === SPACE || left === NEWLINE || right === SPACE || right === NEWLINE) {
    return BETWEEN_WORDS;
  }
  if (right === WORD) {
    if (left === WORD) return IN_WORD;
    if (left === IDEOGRAPH || left === WIDE_SENTENCE_END || left === WIDE_CLAUSE_END) {
      return BETWEEN_WORDS;
    }
    return isInnerSign(text, index - 1) && classBefore(text, index - 1) === WORD
      ? IN_WORD
      : AT_SIGN;
  }
  if (right === IDEOGRAPH) {
    return left === OTHER || left === SENTENCE_END || left === CLAUSE_END ? AT_SIGN : BETWEEN_WORDS;
  }
  if (right === OTHER) {
    return left === IDEOGRAPH || left === WIDE_SENTENCE_END || left === WIDE_CLAUSE_END
      ? BETWEEN_WORDS
      : AT_SIGN;
  }
  // What ends a word, clause or quote must not begin a chunk.
  return right === CLOSER && left !== WORD && left !== IDEOGRAPH ? AT_SIGN : IN_WORD;
}

/** Signs that stand inside words and numbers: it's, 3.14, 1,000. */
function isInnerSign(text: string, index: number): boolean {
  return ".,'’".includes(text.charAt(index));
}

/**
 * Whether a chunk may begin or end with this token: it begins a character, and text of its own. Tokens inside a
 * character, or that stand for no text, stay with those before them.
 */
export function isPlace(text: string, { starts }: TokenizedText, token: number): boolean {
  const last = starts.length - 1;
  if (token <= 0 || token >= last) return token === 0 || token === last;
  const start = starts[token] as number;
  if (start <= 0 || start >= text.length || splitsPair(text, start)) return false;
  let before = token - 1;
  while (before > 0 && (starts[before] as number) < 0) before--;
  return (starts[before] as number) < start;
}

/** The last place at or before `token`. */
export function placeBefore(text: string, tokens: TokenizedText, token: number): number {
  while (!isPlace(text, tokens, token)) token--;
  return token;
}

/** The first place after `token`. */
export function placeAfter(text: string, tokens: TokenizedText, token: number): number {
  do token++;
  while (!isPlace(text, tokens, token));
  return token;
}
