import type { Steps } from '../pace.js';

/** Longest heading that is kept in metadata, in UTF-16 units. */
const maxTitle = 200;

/** The headings of a text, as places; titles are read only where they are asked for. */
export class Outline {
  /** Place, depth and place of the title in turn. Typed, since a hostile text may have millions. */
  #headings = new Int32Array(96);
  #length = 0;
  /** Titles that cannot be read off the text, by the place of their heading. */
  readonly #given = new Map<number, string>();

  /**
   * A heading of this depth, from 1, at `index`. Call in text order. Its title is the rest of the line from a place on,
   * or a text; an empty one only ends what was open.
   */
  add(index: number, depth: number, title: number | string): void {
    if (this.#length === this.#headings.length) {
      const longer = new Int32Array(2 * this.#length);
      longer.set(this.#headings);
      this.#headings = longer;
    }
    this.#headings[this.#length++] = index;
    this.#headings[this.#length++] = depth;
    this.#headings[this.#length++] = typeof title === 'number' ? title : index;
    if (typeof title === 'string') this.#given.set(index, title.slice(0, maxTitle));
  }

  /** All titles, in the order of the text. */
  titles(text: string): string[] {
    const titles: string[] = [];
    for (let i = 0; i < this.#length; i += 3) {
      const place = this.#headings[i] as number;
      const title = this.#given.get(place) ?? titleAt(text, this.#headings[i + 2] as number);
      if (title !== '') titles.push(title);
    }
    return titles;
  }

  /** Walks the outline along ascending places of the text. */
  walker(text: string): OutlineWalker {
    return new OutlineWalker(text, this.#headings.subarray(0, this.#length), this.#given);
  }
}

/** Answers which headings a place of the text belongs to. Places must ascend. */
export class OutlineWalker {
  readonly #text: string;
  readonly #headings: Int32Array;
  readonly #given: ReadonlyMap<number, string>;
  readonly #path: { readonly depth: number; readonly title: string }[] = [];
  #next = 0;

  constructor(text: string, headings: Int32Array, given: ReadonlyMap<number, string>) {
    this.#text = text;
    this.#given = given;
    this.#headings = headings;
  }

  /** Titles of the headings above `index`, outermost first, one that begins there included. */
  *headingsAt(index: number): Steps<string[]> {
    for (;;) {
      const place = this.#headings[this.#next];
      if (place === undefined || place > index) break;
      const depth = this.#headings[this.#next + 1] ?? 1;
      while ((this.#path.at(-1)?.depth ?? 0) >= depth) this.#path.pop();
      const title =
        this.#given.get(place) ?? titleAt(this.#text, this.#headings[this.#next + 2] ?? 0);
      this.#path.push({ depth, title });
      this.#next += 3;
      if (this.#next % 768 === 0) yield index / this.#text.length;
    }
    return this.#path.map(({ title }) => title).filter((title) => title !== '');
  }
}

/** What a heading says, whose signs end at `from`. */
function titleAt(text: string, from: number): string {
  const line = text.slice(from, from + maxTitle).split(/[\r\n\u2028\u2029]/, 1)[0] ?? '';
  return line
    .trim()
    .replace(/(?:^|\s)#{1,32}$/, '')
    .trim();
}
