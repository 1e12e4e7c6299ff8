/** A part of a text that is tokenised by itself. */
export interface Segment {
  /** UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** The token that the whole part is; without it, the part is plain text. */
  readonly literal?: Literal;
}

/** A text that is one token wherever it stands. */
export interface Literal {
  readonly text: string;
  readonly ids: readonly number[];
  /** Whether white space before or after it belongs to it. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
}

export interface SegmentRules {
  /** Most UTF-16 units of a part. */
  readonly slice: number;
  /** Most units in a part without a change from white space to other characters or back. */
  readonly run: number;
  readonly literals: LiteralSet;
}

/**
 * Cuts a text into parts that are tokenised one by one, literals first. Parts end before the white space
 * after an ASCII letter or digit, or before CJK punctuation: no pre-tokenizer's match and no token spans
 * such a border, so the tokens are those of the text as a whole. A text that has no such border within the
 * second half of `slice` is cut there all the same, as is a run longer than `run`. Where the cuts fall is a
 * function of the text and the rules alone.
 */
export function* cutSegments(text: string, rules: SegmentRules): Generator<Segment> {
  const { literals, slice } = rules;
  let at = 0;
  while (at < text.length) {
    // One literal that begins within this slice may end after it.
    const found = literals.next(text, at, Math.min(text.length, at + slice));
    let end = found ? found.start : text.length;
    if (found?.literal.stripsLeft) while (end > at && isStripped(text, end - 1)) end--;
    while (at < end) {
      const to = cutPlain(text, at, end, rules);
      yield { start: at, end: to };
      at = to;
      // The literal is looked for again from here, unless it is known.
      if (!found) break;
    }
    if (!found) continue;
    const { literal } = found;
    at = found.start + literal.text.length;
    if (literal.stripsRight) while (at < text.length && isStripped(text, at)) at++;
    yield { start: end, end: at, literal };
  }
}

/** Finds literals: leftmost first, the longest of those that begin at one place. */
export class LiteralSet {
  readonly #byText = new Map<string, Literal>();
  readonly #lengths: readonly number[];
  readonly #first: RegExp | undefined;

  constructor(literals: readonly Literal[]) {
    for (const literal of literals) if (literal.text) this.#byText.set(literal.text, literal);
    this.#lengths = [...new Set([...this.#byText.keys()].map((text) => text.length))].toSorted(
      (a, b) => b - a,
    );
    const units = new Set([...this.#byText.keys()].map((text) => text.charCodeAt(0)));
    const escaped = [...units].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`);
    this.#first = units.size > 0 ? new RegExp(`[${escaped.join('')}]`, 'g') : undefined;
  }

  /** The first literal that begins in [from, to). */
  next(text: string, from: number, to: number): { start: number; literal: Literal } | undefined {
    if (!this.#first) return undefined;
    const window = text.slice(from, to);
    this.#first.lastIndex = 0;
    for (let hit = this.#first.exec(window); hit; hit = this.#first.exec(window)) {
      const start = from + hit.index;
      for (const length of this.#lengths) {
        const literal = this.#byText.get(text.slice(start, start + length));
        if (literal) return { start, literal };
      }
    }
    return undefined;
  }
}

function cutPlain(text: string, start: number, end: number, rules: SegmentRules): number {
  const limit = start + rules.slice;
  let to = end;
  if (limit < end) {
    to = notInPair(text, limit);
    for (let i = limit; i > start + rules.slice / 2; i--) {
      if (isBorder(text.charCodeAt(i - 1), text.charCodeAt(i))) {
        to = i;
        break;
      }
    }
  }
  return rules.run < to - start ? cutRun(text, start, to, rules.run) : to;
}

/** End of the first run that is longer than allowed, cut to that length. */
function cutRun(text: string, start: number, end: number, most: number): number {
  let runStart = start;
  let inSpace = isSpace(text.charCodeAt(start));
  for (let i = start + 1; i < end; i++) {
    const space = isSpace(text.charCodeAt(i));
    if (space !== inSpace) {
      inSpace = space;
      runStart = i;
    } else if (i - runStart >= most) {
      return notInPair(text, i);
    }
  }
  return end;
}

/** `index`, or the one before it where it would part a surrogate pair. */
function notInPair(text: string, index: number): number {
  return isLowOfPair(text, index) ? index - 1 : index;
}

/** Whether the unit at `index` is the second one of a surrogate pair. */
export function isLowOfPair(text: string, index: number): boolean {
  return (
    (text.charCodeAt(index) & 0xfc00) === 0xdc00 && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800
  );
}

function isBorder(before: number, after: number): boolean {
  if (isAsciiWord(before)) return after === 32 || after === 10 || after === 13 || after === 9;
  return isCjk(before) && (after === 0x3002 || after === 0x3001 || after === 0xff0c);
}

const isAsciiWord = (unit: number): boolean =>
  (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90) || (unit >= 48 && unit <= 57);

const isCjk = (unit: number): boolean =>
  (unit >= 0x4e00 && unit <= 0x9fa5) ||
  (unit >= 0x3041 && unit <= 0x3096) ||
  (unit >= 0x30a1 && unit <= 0x30fa);

const isSpace = (unit: number): boolean =>
  unit <= 32 ||
  unit === 0x85 ||
  unit === 0xa0 ||
  unit === 0x3000 ||
  (unit >= 0x2000 && unit <= 0x200a);

/** White space of C's `isspace`. */
const isStripped = (text: string, index: number): boolean => {
  const unit = text.charCodeAt(index);
  return unit === 32 || (unit >= 9 && unit <= 13);
};
