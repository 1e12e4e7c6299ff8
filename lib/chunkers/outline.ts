import type { Steps } from '../pace.js';

/** Longest heading that is kept in metadata, in UTF-16 units. */
const maxTitle = 200;

/** The headings of a text, as places; titles are read only where they are asked for. */
export class Outline {
  /** Place and depth in turn. Typed, since a hostile text may have millions. */
  #headings = new Int32Array(64);
  #length = 0;

  /** A heading of this depth, 1 to 6, whose first `#` stands at `index`. Call in text order. */
  add(index: number, depth: number): void {
    if (this.#length === this.#headings.length) {
      const longer = new Int32Array(2 * this.#length);
      longer.set(this.#headings);
      this.#headings = longer;
    }
    this.#headings[this.#length++] = index;
    this.#headings[this.#length++] = depth;
  }

  /** Walks the outline along ascending places of the text. */
  walker(text: string): OutlineWalker {
    return new OutlineWalker(text, this.#headings.subarray(0, this.#length));
  }
}

/** Answers which headings a place of the text belongs to. Places must ascend. */
export class OutlineWalker {
  readonly #text: string;
  readonly #headings: Int32Array;
  readonly #path: { readonly depth: number; readonly place: number }[] = [];
  #next = 0;

  constructor(text: string, headings: Int32Array) {
    this.#text = text;
    this.#headings = headings;
  }

  /** Titles of the headings above `index`, outermost first, one that begins there included. */
  *headingsAt(index: number): Steps<string[]> {
    for (;;) {
      const place = this.#headings[this.#next];
      if (place === undefined || place > index) break;
      const depth = this.#headings[this.#next + 1] ?? 1;
      while ((this.#path.at(-1)?.depth ?? 0) >= depth) this.#path.pop();
      this.#path.push({ depth, place });
      this.#next += 2;
      if ((this.#next & 0x3ff) === 0) yield index / this.#text.length;
    }
    return this.#path
      .map(({ depth, place }) => this.#title(place + depth))
      .filter((title) => title !== '');
  }

  #title(from: number): string {
    const line = this.#text.slice(from, from + maxTitle).split(/[\r\n\u2028\u2029]/, 1)[0] ?? '';
    return line
      .trim()
      .replace(/(?:^|\s)#{1,32}$/, '')
      .trim();
  }
}
