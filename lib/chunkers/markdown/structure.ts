import { parse, postprocess, preprocess } from 'micromark';
import { gfmTable } from 'micromark-extension-gfm-table';
import type { Event, Extension } from 'micromark-util-types';
import type { Steps } from '../../pace.js';
import { Outline } from '../outline.js';
import type { Structure } from '../structured.js';
import { sectionsOf } from './sections.js';

/** Headings of depth 1 to 6 have the strengths 0 to 5. */
const BLOCK = 6;
const INNER = 7;
const LEVELS = 8;

/** What stands inside of blocks decides no border, so it is not parsed. */
const blocksOnly: Extension = {
  disable: {
    null: [
      'attention',
      'autolink',
      'characterEscape',
      'characterReference',
      'codeText',
      'hardBreakEscape',
      'htmlText',
      'labelEnd',
      'labelStartImage',
      'labelStartLink',
    ],
  },
};

const blocks = new Set([
  'blockQuote',
  'codeFenced',
  'codeIndented',
  'content',
  'definition',
  'htmlFlow',
  'listOrdered',
  'listUnordered',
  'paragraph',
  'table',
  'thematicBreak',
]);

/** Headings, blocks and items of a Markdown text. Parsed in sections, with a pause after each. */
export function* markdownStructure(text: string): Steps<Structure> {
  const reader = new EventReader(text);
  for (const { start, end, isTooDeep } of sectionsOf(text)) {
    if (!isTooDeep) reader.read(start, eventsOf(text.slice(start, end)));
    yield end / text.length;
  }
  return { marks: reader.marks, levels: LEVELS, outline: reader.outline };
}

function eventsOf(section: string): Event[] {
  const parser = parse({ extensions: [gfmTable(), blocksOnly] });
  return postprocess(parser.document().write(preprocess()(section, undefined, true)));
}

class EventReader {
  readonly marks: number[] = [];
  readonly outline = new Outline();
  readonly #text: string;
  /** Containers and blocks that are open. */
  #depth = 0;
  /** A heading has just ended: what comes next stays with it. */
  #afterHeading = false;
  #headingAt = -1;
  #headingDepth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(offset: number, events: readonly Event[]): void {
    // The parser leaves out a byte order mark.
    const shift = offset + (this.#text.charCodeAt(offset) === 0xfeff ? 1 : 0);
    for (const [step, { type, start, end }] of events) {
      const isHeading = type === 'atxHeading' || type === 'setextHeading';
      if (isHeading || blocks.has(type) || type === 'listItemPrefix') {
        if (step === 'exit') {
          if (isHeading) this.#endHeading();
          if (type !== 'listItemPrefix' && type !== 'content') this.#depth--;
        } else {
          this.#begin(type, isHeading, shift + start.offset);
        }
      } else if (step === 'enter' && type === 'atxHeadingSequence' && this.#headingDepth === 0) {
        this.#headingDepth = end.offset - start.offset;
        this.outline.add(this.#headingAt, this.#headingDepth, shift + end.offset);
      } else if (step === 'enter' && type === 'setextHeadingLineSequence') {
        this.#headingDepth = this.#text.charAt(shift + start.offset) === '=' ? 1 : 2;
        this.outline.add(this.#headingAt, this.#headingDepth, this.#headingAt);
      }
    }
  }

  #begin(type: string, isHeading: boolean, index: number): void {
    if (isHeading) {
      this.#headingAt = index;
      this.#headingDepth = 0;
      // Its depth is known when its signs are met, which for underlined ones is at the end.
      const start = lineStart(this.#text, index);
      if (!this.#afterHeading && start >= 0) this.marks.push(start, -1);
      this.#depth++;
      return;
    }
    if (type === 'content') return;
    const start = lineStart(this.#text, index);
    // What follows the sign of an item on its line stays with it.
    if (!this.#afterHeading && start >= 0) this.marks.push(start, this.#depth > 0 ? INNER : BLOCK);
    this.#afterHeading = false;
    if (type !== 'listItemPrefix') this.#depth++;
  }

  #endHeading(): void {
    const last = this.marks.length - 1;
    if (this.marks[last] === -1) this.marks[last] = Math.max(0, this.#headingDepth - 1);
    this.#afterHeading = true;
  }
}

/** The beginning of the line of `index` where nothing but blanks and signs of quotes is between, else -1. */
function lineStart(text: string, index: number): number {
  let start = index;
  while (start > 0 && ' \t>'.includes(text.charAt(start - 1))) start--;
  const before = text.charCodeAt(start - 1);
  return start === 0 || before === 0x0a || before === 0x0d || before === 0xfeff ? start : -1;
}
