import type { TokenizedText } from '../engine/tokenizer.js';
import type { Steps } from '../pace.js';
import { classAt, isBlank, isBlankClass, splitsPair } from './characters.js';
import { type AT_SIGN, BETWEEN_WORDS, IN_GRAPHEME, weakness } from './places.js';

/** No border may fall here. */
const NO_BORDER = 0x3f;
const STRENGTH = 0x3f;
const BLANK = 0x40;

/** Largest number of separators that fit beside the strengths below them. */
export const MAX_SEPARATORS = 32;

/**
 * How good a border each token's beginning is. Strength 0 is the best; the separators that were asked for
 * come first, then, always, words, punctuation, the inside of words, and the inside of graphemes. One byte
 * a token, so that a text of any length can be cut.
 */
export class BorderMap {
  readonly text: string;
  readonly starts: Int32Array;
  /** Number of tokens. */
  readonly size: number;
  /** Strength of a border between words; stronger ones come from separators. */
  readonly word: number;
  /** Strength of a border inside a grapheme: the weakest there is. */
  readonly weakest: number;
  readonly #cells: Uint8Array;

  constructor(text: string, tokens: TokenizedText, separators: number) {
    this.text = text;
    this.starts = tokens.starts;
    this.size = tokens.ids.length;
    this.word = separators;
    this.weakest = separators + IN_GRAPHEME;
    this.#cells = new Uint8Array(this.size).fill(NO_BORDER);
  }

  isBorder(token: number): boolean {
    return token === this.size || this.strength(token) !== NO_BORDER;
  }

  strength(token: number): number {
    return (this.#cells[token] ?? NO_BORDER) & STRENGTH;
  }

  /** Whether the tokens from this border to the next stand for nothing but white space. */
  isBlank(token: number): boolean {
    return ((this.#cells[token] ?? 0) & BLANK) !== 0;
  }

  /** Where the token begins in the text. */
  start(token: number): number {
    return this.starts[token] ?? this.text.length;
  }

  nextBorder(token: number): number {
    let next = token + 1;
    while (!this.isBorder(next)) next++;
    return next;
  }

  /** Borders better than those between words, and the end of the tokens, each with the end of the content before it. */
  *strong(): Steps<{ readonly tokens: Int32Array; readonly ends: Int32Array }> {
    const { size, word } = this;
    const cells = this.#cells;
    const tokens: number[] = [];
    const ends: number[] = [];
    let end = 0;
    let unit = 0;
    for (let i = 1; i < size; i++) {
      if ((i & 0xfff) === 0) yield i / size;
      const strength = (cells[i] as number) & STRENGTH;
      if (strength === NO_BORDER) continue;
      if (((cells[unit] as number) & BLANK) === 0) end = i;
      unit = i;
      if (strength >= word) continue;
      tokens.push(i);
      ends.push(end);
    }
    if (size > 0 && !this.isBlank(unit)) end = size;
    tokens.push(size);
    ends.push(end);
    return { tokens: Int32Array.from(tokens), ends: Int32Array.from(ends) };
  }

  /** Makes the border at `token` at least this strong. */
  strengthen(token: number, strength: number): void {
    const cell = this.#cells[token] ?? NO_BORDER;
    if (strength < (cell & STRENGTH)) this.#cells[token] = (cell & BLANK) | strength;
  }

  /** Finds the borders that the tokens allow, and how they lie in words. */
  *survey(): Steps<void> {
    const { text, starts, size, word } = this;
    const cells = this.#cells;
    let unit = 0;
    let unitStart = this.start(0);
    // Whether the unit begins inside of a character that the one before it, not blank, has the first part of.
    let isRest = false;
    if (size > 0) cells[0] = word;
    for (let i = 1; i <= size; i++) {
      if ((i & 0xfff) === 0) yield i / size;
      const start = starts[i] as number;
      let isInside = false;
      if (i < size) {
        // Tokens inside a character, or that stand for no text of their own, stay with those before.
        if (start <= unitStart || start >= text.length || splitsPair(text, start)) continue;
        const weak = weakness(text, start);
        cells[i] = word + weak;
        isInside = weak === IN_GRAPHEME;
      }
      // A mark joins the space before it to a character, which is no blank.
      const isJoined = isInside && !isBlankClass(classAt(text, start));
      // Most tokens begin with what is not blank.
      const mayBe: boolean = isBlankClass(classAt(text, unitStart)) && !isRest && !isJoined;
      const blank: boolean = mayBe && isBlank(text, unitStart, start);
      if (blank) cells[unit] = (cells[unit] as number) | BLANK;
      isRest = isInside && !blank;
      unit = i;
      unitStart = start;
    }
  }
}

/** Puts separators, met in text order, on the token borders where they belong. */
export class BorderMarker {
  readonly #borders: BorderMap;
  readonly #reach: number;
  #token = 0;
  #next = 1;

  /** @param reach how far inside a word an earlier border may lie: {@link BETWEEN_WORDS}, or {@link AT_SIGN} for markup */
  constructor(borders: BorderMap, reach: typeof BETWEEN_WORDS | typeof AT_SIGN = BETWEEN_WORDS) {
    this.#borders = borders;
    this.#reach = borders.word + reach;
  }

  /**
   * A separator of this strength at `index`, not before the last one marked. It goes to the border at or
   * before `index`: a token such as " The" carries its space, one such as `><` the end of a tag. Such an earlier border
   * counts only within reach.
   */
  mark(index: number, strength: number): void {
    const borders = this.#borders;
    while (this.#next < borders.size) {
      if (borders.isBorder(this.#next)) {
        if (borders.start(this.#next) > index) break;
        this.#token = this.#next;
      }
      this.#next++;
    }
    const exact = borders.start(this.#token) === index;
    const weakest = exact ? borders.weakest - 1 : this.#reach;
    if (borders.strength(this.#token) <= weakest) borders.strengthen(this.#token, strength);
  }
}
