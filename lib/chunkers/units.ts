import type { TokenizedDocument } from '../document.js';
import type { Steps } from '../pace.js';
import { CLAUSE_END, NEWLINE, WIDE_CLAUSE_END, classBefore } from './characters.js';
import { isMarkdown } from './formats.js';
import { refuseUncuttable } from './limits.js';
import type { Outline } from './outline.js';
import { BETWEEN_WORDS, IN_GRAPHEME, IN_WORD, isPlace, placeBefore, weakness } from './places.js';
import { TextScanner, type Marks } from './text-scanner.js';

/** What ends before a unit begins; lower is a better place to cut. */
export const HEADING = 0;
export const PARAGRAPH = 1;
export const LINE = 2;
/** Nothing ends there: the sentence was too long. Between this and the end of a line is that of a sentence, 3. */
export const FORCED = 4;

const names = ['heading', 'paragraph', 'line', 'sentence'] as const;

/** A document as sentences, the smallest pieces that chunks are made of. */
export interface Units {
  readonly size: number;
  /** First token of each unit, and at the end the number of tokens: `size + 1` entries. */
  readonly starts: Int32Array;
  /** What ends before each unit: {@link HEADING} to {@link FORCED}. */
  readonly kinds: Uint8Array;
  readonly outline: Outline;
}

/**
 * Cuts a document into sentences, each with the blanks after it, so that together they are the whole document. The end
 * of a line ends a sentence too, unless the text goes on with a small letter. A sentence longer than `maxTokens` is cut
 * at ends of lines, clauses or words, and inside a word only when there is nothing else; which of several, a
 * hash of the text before them decides, so that an edit does not move all that follow.
 *
 * Linear time, whatever the text: what `Intl.Segmenter` takes is not, and changes with the platform.
 *
 * @param characterTokens most tokens of a unit that is a single character; default `maxTokens`
 * @throws InvalidArgumentError where more tokens than that follow each other without a border between characters
 */
export function* unitsOf(
  document: TokenizedDocument,
  maxTokens: number,
  characterTokens = maxTokens,
): Steps<Units> {
  const marks = new UnitMarks(document, maxTokens, characterTokens);
  const scanner = new TextScanner(document.text, marks, names, isMarkdown(document));
  const outline = yield* scanner.scan();
  return { ...marks.end(), outline };
}

class UnitMarks implements Marks {
  readonly #document: TokenizedDocument;
  readonly #max: number;
  readonly #characterMax: number;
  #starts = new Int32Array(256);
  #kinds = new Uint8Array(256);
  #size = 0;
  /** The last token that begins at or before the last mark. */
  #token = 0;

  constructor(document: TokenizedDocument, max: number, characterMax: number) {
    this.#document = document;
    this.#max = max;
    this.#characterMax = Math.max(max, characterMax);
    if (document.tokens.ids.length > 0) this.#push(0, HEADING);
  }

  mark(index: number, strength: number): void {
    const { text, tokens } = this.#document;
    const { starts } = tokens;
    const last = starts.length - 1;
    let token = this.#token;
    // Starts inside characters are -1.
    while (token + 1 < last && (starts[token + 1] as number) <= index) token++;
    this.#token = token;
    token = placeBefore(text, tokens, token);
    const start = starts[token] as number;
    // A token such as " The" carries its space; one that reaches across the mark otherwise is no place for it.
    if (weakness(text, start) > (start === index ? IN_WORD : BETWEEN_WORDS)) return;
    if (strength === LINE && isWrapped(text, index)) return;
    const before = this.#size - 1;
    if (token === this.#starts[before]) {
      if (before > 0) this.#kinds[before] = Math.min(strength, this.#kinds[before] as number);
    } else if (token > (this.#starts[before] as number)) {
      this.#cutLong(token);
      this.#push(token, strength);
    }
  }

  end(): Omit<Units, 'outline'> {
    const { ids } = this.#document.tokens;
    if (this.#size > 0) this.#cutLong(ids.length);
    const starts = new Int32Array(this.#size + 1);
    starts.set(this.#starts.subarray(0, this.#size));
    starts[this.#size] = ids.length;
    return { size: this.#size, starts, kinds: this.#kinds.slice(0, this.#size) };
  }

  #push(token: number, kind: number): void {
    if (this.#size === this.#starts.length) {
      const starts = new Int32Array(2 * this.#size);
      starts.set(this.#starts);
      this.#starts = starts;
      const kinds = new Uint8Array(2 * this.#size);
      kinds.set(this.#kinds);
      this.#kinds = kinds;
    }
    this.#starts[this.#size] = token;
    this.#kinds[this.#size++] = kind;
  }

  /** Cuts the last unit, which ends at `end`, until it fits. */
  #cutLong(end: number): void {
    const max = this.#max;
    for (;;) {
      const start = this.#starts[this.#size - 1] as number;
      if (end - start <= max) return;
      // Both parts of what is little too long should be of some size.
      const latest = end - start < 2 * max ? Math.max(start + 1, end - (max >> 2)) : end;
      let at = this.#bestPlace(start, Math.min(start + max, latest));
      if (this.#rank(at) >= (RANKS[IN_GRAPHEME] as number)) {
        // Rather a long unit than half a character.
        if (end - start <= this.#characterMax) return;
        at = this.#bestPlace(start, start + this.#characterMax);
      }
      if (at < 0) {
        const { starts } = this.#document.tokens;
        refuseUncuttable(end - start, starts[start] as number, this.#characterMax);
      }
      this.#push(at, FORCED);
    }
  }

  /** Where to cut a sentence that begins at `start`, at `limit` at the latest; -1 for nowhere. */
  #bestPlace(start: number, limit: number): number {
    const half = start + ((limit - start) >> 1);
    let best = -1;
    let bestRank = Infinity;
    let bestHash = 0;
    for (let token = limit; token > start; token--) {
      // Beyond the better half only what is no worse than the inside of a word is worth looking for.
      if (token <= half && bestRank < RANKS[IN_GRAPHEME]) break;
      const rank = this.#rank(token);
      if (rank > bestRank || rank === Infinity) continue;
      const hash = this.#hash(token);
      if (rank < bestRank || hash > bestHash) {
        best = token;
        bestRank = rank;
        bestHash = hash;
      }
    }
    return best;
  }

  #rank(token: number): number {
    const { text, tokens } = this.#document;
    if (token < 0 || !isPlace(text, tokens, token)) return Infinity;
    const start = tokens.starts[token] as number;
    const weak = weakness(text, start);
    if (weak !== BETWEEN_WORDS) return RANKS[weak] as number;
    let before = start;
    if (text.charCodeAt(before - 1) === 0x20) before--;
    const left = classBefore(text, before);
    if (left === NEWLINE) return 0;
    return left === CLAUSE_END || left === WIDE_CLAUSE_END ? 1 : (RANKS[BETWEEN_WORDS] as number);
  }

  #hash(token: number): number {
    const { text, tokens } = this.#document;
    return hashBefore(text, tokens.starts[token] as number, 0);
  }
}

/** By weakness; lines and clauses rank before words. */
const RANKS = [2, 3, 4, 5] as const;

/** UTF-16 units before a place that its hash is of. */
const hashed = 32;

/** FNV-1a, finished, over up to 32 UTF-16 units before `index`, none before `from`. */
export function hashBefore(text: string, index: number, from: number): number {
  let hash = 0x811c9dc5;
  for (let i = Math.max(from, index - hashed); i < index; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Whether the line that begins at `index` only goes on with the sentence of the one before it. */
function isWrapped(text: string, index: number): boolean {
  let at = index;
  while (text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09) at++;
  const unit = text.charCodeAt(at);
  if (unit < 0x80) return unit >= 0x61 && unit <= 0x7a;
  return /\p{Ll}/u.test(String.fromCodePoint(text.codePointAt(at) ?? 0));
}
