import type { Steps } from '../pace.js';

/** Longest heading that is kept in metadata, in UTF-16 units. */
const maxTitle = 200;

/** The headings of a text, as places; titles are read only where they are asked for. */
export class Outline {
  readonly #places: number[] = [];
  readonly #depths: number[] = [];

  /** A heading of this depth, 1 to 6, whose first `#` stands at `index`. Call in text order. */
  add(index: number, depth: number): void {
    this.#places.push(index);
    this.#depths.push(depth);
  }

  /** Walks the outline along ascending places of the text. */
  walker(text: string): OutlineWalker {
    return new OutlineWalker(text, this.#places, this.#depths);
  }
}

/** Answers which headings and which line a place of the text belongs to. Places must ascend. */
export class OutlineWalker {
  readonly #text: string;
  readonly #places: readonly number[];
  readonly #depths: readonly number[];
  readonly #path: { readonly depth: number; readonly place: number }[] = [];
  #nextHeading = 0;
  #line = 1;
  #counted = 0;

  constructor(text: string, places: readonly number[], depths: readonly number[]) {
    this.#text = text;
    this.#places = places;
    this.#depths = depths;
  }

  /** Titles of the headings above `index`, outermost first, one that begins there included. */
  *headingsAt(index: number): Steps<string[]> {
    for (;;) {
      const place = this.#places[this.#nextHeading];
      if (place === undefined || place > index) break;
      const depth = this.#depths[this.#nextHeading] ?? 1;
      while ((this.#path.at(-1)?.depth ?? 0) >= depth) this.#path.pop();
      this.#path.push({ depth, place });
      if ((++this.#nextHeading & 0x3ff) === 0) yield index / this.#text.length;
    }
    return this.#path
      .map(({ depth, place }) => this.#title(place + depth))
      .filter((title) => title !== '');
  }

  /** Number of the line that `index` lies in, from 1. CRLF, LF and CR each end a line. */
  *lineAt(index: number): Steps<number> {
    const text = this.#text;
    for (; this.#counted < index; this.#counted++) {
      const unit = text.charCodeAt(this.#counted);
      if (unit === 0x0a || (unit === 0x0d && text.charCodeAt(this.#counted + 1) !== 0x0a))
        this.#line++;
      if ((this.#counted & 0x3fff) === 0) yield index / text.length;
    }
    return this.#line;
  }

  #title(from: number): string {
    const line = this.#text.slice(from, from + maxTitle).split(/[\r\n\u2028\u2029]/, 1)[0] ?? '';
    return line
      .trim()
      .replace(/(?:^|\s)#{1,32}$/, '')
      .trim();
  }
}
