import type { TokenizedText } from '../engine/tokenizer.js';
import type { Steps } from '../pace.js';
import { classAt, isBlank, isBlankClass, splitsPair } from './characters.js';
import { IN_GRAPHEME, weakness } from './places.js';

/** No border may fall here. */
export const NO_BORDER = 0x3f;
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

  /** Makes the border at `token` at least this strong. */
  strengthen(token: number, strength: number): void {
    const cell = this.#cells[token] ?? NO_BORDER;
    if (strength < (cell & STRENGTH)) this.#cells[token] = (cell & BLANK) | strength;
  }

  /** Finds the borders that the tokens allow, and how they lie in words. */
  *survey(): Steps<void> {
    const { text, size } = this;
    let unit = 0;
    let unitStart = this.start(0);
    // Whether the unit begins inside of a character that the one before it, not blank, has the first part of.
    let isRest = false;
    if (size > 0) this.#cells[0] = this.word;
    for (let i = 1; i <= size; i++) {
      if ((i & 0x3ff) === 0) yield i / size;
      const start = this.start(i);
      let isInside = false;
      if (i < size) {
        // Tokens inside a character, or that stand for no text of their own, stay with those before.
        if (start <= unitStart || start >= text.length || splitsPair(text, start)) continue;
        const weak = weakness(text, start);
        this.#cells[i] = this.word + weak;
        isInside = weak === IN_GRAPHEME;
      }
      // A mark joins the space before it to a character, which is no blank.
      const isJoined = isInside && !isBlankClass(classAt(text, start));
      const blank = !isRest && !isJoined && isBlank(text, unitStart, start);
      if (blank) this.#cells[unit] = (this.#cells[unit] ?? 0) | BLANK;
      isRest = isInside && !blank;
      unit = i;
      unitStart = start;
    }
  }
}

/** Puts separators, met in text order, on the token borders where they belong. */
export class BorderMarker {
  readonly #borders: BorderMap;
  #token = 0;
  #next = 1;

  constructor(borders: BorderMap) {
    this.#borders = borders;
  }

  /**
   * A separator of this strength at `index`, not before the last one marked. It goes to the border at or
   * before `index`: a token such as " The" carries its space. Such an earlier border counts only between
   * words.
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
    const weakest = exact ? borders.weakest - 1 : borders.word;
    if (borders.strength(this.#token) <= weakest) borders.strengthen(this.#token, strength);
  }
}
