/** Counts the occurrences of a character up to ascending places. */
class Occurrences {
  readonly #text: string;
  readonly #character: string;
  #next: number;
  count = 0;

  constructor(text: string, character: string) {
    this.#text = text;
    this.#character = character;
    this.#next = text.indexOf(character);
  }

  get any(): boolean {
    return this.count > 0 || this.#next >= 0;
  }

  upTo(index: number, counts: (at: number) => boolean = () => true): number {
    while (this.#next >= 0 && this.#next < index) {
      if (counts(this.#next)) this.count++;
      this.#next = this.#text.indexOf(this.#character, this.#next + 1);
    }
    return this.count;
  }
}

/** Answers which line and page places of a text belong to. Places must ascend, for lines and pages each. */
export class LineCounter {
  readonly #lines: Occurrences;
  readonly #returns: Occurrences;
  readonly #pages: Occurrences;
  readonly #isLoneReturn: (at: number) => boolean;

  constructor(text: string) {
    this.#lines = new Occurrences(text, '\n');
    this.#returns = new Occurrences(text, '\r');
    this.#pages = new Occurrences(text, '\f');
    this.#isLoneReturn = (at) => text.charCodeAt(at + 1) !== 0x0a;
  }

  /** Number of the line that `index` lies in, from 1. CRLF, LF and CR each end a line. */
  lineAt(index: number): number {
    return 1 + this.#lines.upTo(index) + this.#returns.upTo(index, this.#isLoneReturn);
  }

  /** Number of the page, from 1; undefined in a text without form feeds. */
  pageAt(index: number): number | undefined {
    return this.#pages.any ? 1 + this.#pages.upTo(index) : undefined;
  }
}
