/** Errors that are forgiven, one in so many characters of what is looked for. */
const forgiving = 4;
/** Longest text that is looked for, in UTF-16 units. */
const longest = 120;

/** Where something stands in a text, `[start, end)` in UTF-16 units of the text as it is. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** Whether nothing had to be forgiven. */
  readonly isExact: boolean;
}

/**
 * A text in which quotations by a language model are looked for: without regard to case, to runs of blanks and to the
 * form of quotation marks and dashes, and where that finds nothing, with one wrong, missing or added character in four.
 *
 * The alignment is Sellers' (The Theory and Computation of Evolutionary Distances, 1980), some forty lines over typed arrays. What there is
 * on npm for it gives distances of whole texts, or places in a text that was not folded.
 */
export class FoldedText {
  readonly #folded: string;
  /** Where each UTF-16 unit of the folded text comes from, and at the end the length of the text: `[folded + 1]`. */
  readonly #origins: Int32Array;

  constructor(text: string, offset = 0) {
    const parts: string[] = [];
    const origins: number[] = [];
    let wasBlank = true;
    for (let i = 0; i < text.length;) {
      const character = String.fromCodePoint(text.codePointAt(i) ?? 0);
      const isBlank = /^[\s\p{Cf}]$/u.test(character);
      if (!isBlank || !wasBlank) {
        const folded = isBlank ? ' ' : foldCharacter(character);
        parts.push(folded);
        for (let k = 0; k < folded.length; k++) origins.push(offset + i);
      }
      wasBlank = isBlank;
      i += character.length;
    }
    this.#folded = parts.join('');
    this.#origins = Int32Array.of(...origins, offset + text.length);
  }

  /**
   * The first place of `quotation` from `from` on: an exact one that `isWanted`, else any exact one, else the one with
   * the fewest errors that are forgiven.
   */
  find(
    quotation: string,
    from: number,
    isWanted: (start: number) => boolean = () => true,
  ): Place | undefined {
    const wanted = foldedOf(quotation).slice(0, longest).trim();
    if (wanted === '') return undefined;
    const first = this.#indexOf(from);
    let any: number | undefined;
    let seen = 0;
    for (let at = this.#folded.indexOf(wanted, first); at >= 0;) {
      if (isWanted(this.#origins[at] as number)) return this.#place(at, at + wanted.length, true);
      any ??= at;
      if (++seen > 1000) break;
      at = this.#folded.indexOf(wanted, at + 1);
    }
    if (any !== undefined) return this.#place(any, any + wanted.length, true);
    const found = nearest(wanted, this.#folded, first, Math.floor(wanted.length / forgiving));
    return found && this.#place(found.start, found.end, false);
  }

  /** Whether the text ends with `quotation`, exactly or with the errors that {@link find} forgives. */
  endsWith(quotation: string, isExactly: boolean): boolean {
    const wanted = foldedOf(quotation).trim().slice(-longest).trim();
    if (wanted === '') return false;
    const text = this.#folded.trimEnd();
    if (isExactly || text.endsWith(wanted)) return text.endsWith(wanted);
    const allowed = Math.floor(wanted.length / forgiving);
    const found = nearest(
      wanted,
      text,
      Math.max(0, text.length - wanted.length - allowed),
      allowed,
    );
    return found !== undefined && text.length - found.end <= allowed;
  }

  #place(start: number, end: number, isExact: boolean): Place {
    return {
      start: this.#origins[start] as number,
      end: (this.#origins[end - 1] as number) + 1,
      isExact,
    };
  }

  /** The first unit that comes from `place` or behind it. */
  #indexOf(place: number): number {
    let low = 0;
    let high = this.#folded.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#origins[middle] as number) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function foldCharacter(character: string): string {
  if (/^[\u2018\u2019\u201b\u2032`´]$/u.test(character)) return "'";
  if (/^[\u201c\u201d\u201f\u2033«»„]$/u.test(character)) return '"';
  if (/^\p{Pd}$/u.test(character)) return '-';
  return character.toLowerCase();
}

function foldedOf(text: string): string {
  return Array.from(text.replace(/[\s\p{Cf}]+/gu, ' '), foldCharacter)
    .join('')
    .trim();
}

/**
 * The part of `text` from `from` on with the smallest edit distance to `wanted`, the first of several: each column of the table is a
 * character of the text, a match may begin anywhere, and where it began comes along.
 */
function nearest(
  wanted: string,
  text: string,
  from: number,
  allowed: number,
): { readonly start: number; readonly end: number } | undefined {
  if (allowed === 0) return undefined;
  const size = wanted.length;
  const costs = Int32Array.from({ length: size + 1 }, (_, i) => i);
  const begins = new Int32Array(size + 1).fill(from);
  let least = allowed + 1;
  let best: { start: number; end: number } | undefined;
  for (let at = from; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    let diagonal = 0;
    let diagonalBegin = at;
    costs[0] = 0;
    begins[0] = at + 1;
    for (let i = 1; i <= size; i++) {
      const above = costs[i] as number;
      const aboveBegin = begins[i] as number;
      let cost = diagonal + (wanted.charCodeAt(i - 1) === unit ? 0 : 1);
      let begin = diagonalBegin;
      if (above + 1 < cost) {
        cost = above + 1;
        begin = aboveBegin;
      }
      if ((costs[i - 1] as number) + 1 < cost) {
        cost = (costs[i - 1] as number) + 1;
        begin = begins[i - 1] as number;
      }
      costs[i] = cost;
      begins[i] = begin;
      diagonal = above;
      diagonalBegin = aboveBegin;
    }
    if ((costs[size] as number) < least) {
      least = costs[size] as number;
      best = { start: begins[size] as number, end: at + 1 };
    }
  }
  return best && best.end > best.start ? best : undefined;
}
