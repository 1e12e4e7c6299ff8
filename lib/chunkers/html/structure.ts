import { Parser } from 'htmlparser2';
import type { Steps } from '../../pace.js';
import { Outline } from '../outline.js';
import type { Structure } from '../structured.js';

/** Headings of depth 1 to 6 have the strengths 0 to 5. */
const BLOCK = 6;
const ITEM = 7;
const ROW = 8;
const LEVELS = 9;

const blocks = new Set(
  (
    'address article aside blockquote body center details dialog div dl fieldset figure footer form header ' +
    'hr main menu nav ol p pre script search section style table ul'
  ).split(' '),
);
const items = new Set('caption dd dt figcaption legend li option summary'.split(' '));
/** Stay whole where they fit: only rows are borders inside. */
const wholes = new Set(['pre', 'script', 'style', 'table']);

/** Elements inside each other; the parser's time grows with the square of it. */
const maxDepth = 2000;
/** UTF-16 units parsed between two pauses. */
const slice = 1 << 12;

/** Headings, blocks, items and rows of the source of a page. */
export function* htmlStructure(text: string): Steps<Structure> {
  const reader = new TagReader();
  const parser: Parser = new Parser({
    onopentag: (name) => reader.open(name, parser.startIndex),
    onclosetag: (name) => reader.close(name),
    ontext: (part) => reader.text(part, parser.startIndex),
  });
  for (let at = 0; at < text.length && !reader.isTooDeep; at += slice) {
    parser.write(text.slice(at, at + slice));
    yield at / text.length;
  }
  if (!reader.isTooDeep) parser.end();
  return { marks: reader.marks, levels: LEVELS, outline: reader.outline };
}

class TagReader {
  readonly marks: number[] = [];
  readonly outline = new Outline();
  #depth = 0;
  /** Elements that stay whole and are open. */
  #wholes = 0;
  /** A heading that is open: where, how deep, what it says so far. */
  #heading: { readonly at: number; readonly depth: number; title: string } | undefined;
  /** A heading has ended and no text came since: what comes next stays with it. */
  #afterHeading = false;
  /** A block has ended: text that comes next is a block of its own. */
  #afterBlock = false;
  #last = -1;

  get isTooDeep(): boolean {
    return this.#depth > maxDepth;
  }

  open(name: string, at: number): void {
    this.#depth++;
    const depth = headingDepth(name);
    if (this.#wholes > 0) {
      if (name === 'tr') this.#mark(at, ROW);
    } else if (depth > 0) {
      this.#mark(at, depth - 1);
      this.#heading = { at, depth, title: '' };
    } else if (blocks.has(name)) this.#mark(at, BLOCK);
    else if (items.has(name)) this.#mark(at, ITEM);
    if (wholes.has(name)) this.#wholes++;
    this.#afterBlock = false;
  }

  close(name: string): void {
    this.#depth--;
    if (wholes.has(name)) this.#wholes--;
    if (this.#heading && headingDepth(name) > 0) {
      const { at, depth, title } = this.#heading;
      this.outline.add(at, depth, title.replace(/\s+/g, ' ').trim());
      this.#heading = undefined;
      this.#afterHeading = true;
    }
    if (blocks.has(name)) this.#afterBlock = true;
  }

  text(part: string, at: number): void {
    if (this.#heading) this.#heading.title += part;
    if (!/\S/.test(part)) return;
    if (this.#afterBlock && this.#wholes === 0) this.#mark(at, BLOCK);
    this.#afterBlock = false;
    if (!this.#heading) this.#afterHeading = false;
  }

  #mark(at: number, strength: number): void {
    // What stands right behind a heading stays with it.
    if (this.#afterHeading || at < this.#last) return;
    this.marks.push(at, strength);
    this.#last = at;
  }
}

/** 1 to 6 for `h1` to `h6`, else 0. */
function headingDepth(name: string): number {
  if (name.length !== 2 || name[0] !== 'h') return 0;
  const depth = name.charCodeAt(1) - 0x30;
  return depth >= 1 && depth <= 6 ? depth : 0;
}
