import { NEWLINE, SPACE, classAt } from './characters.js';
import { Outline } from './outline.js';

/** What a line of Markdown is, as far as cutting text goes. */
export type LineKind = 'text' | 'heading' | 'fence' | 'code';

/** Markdown allows this much indentation before a heading or a fence; more makes it code. */
const maxIndent = 3;

/** Reads Markdown line by line: headings go into the outline, and fenced code is told from text. */
export class MarkdownLines {
  readonly outline = new Outline();
  readonly #text: string;
  readonly #isMarkdown: boolean;
  /** The open fence, as it was written; empty outside of fenced code. */
  #fence = '';

  constructor(text: string, isMarkdown: boolean) {
    this.#text = text;
    this.#isMarkdown = isMarkdown;
  }

  get inFence(): boolean {
    return this.#fence !== '';
  }

  /** The line whose first visible character stands at `index`. Call in text order, blank lines left out. */
  read(lineStart: number, index: number): LineKind {
    if (!this.#isMarkdown) return 'text';
    const inFence = this.inFence;
    if (index - lineStart > maxIndent) return inFence ? 'code' : 'text';
    if (this.#toggleFence(index)) return 'fence';
    if (inFence) return 'code';
    const depth = headingDepth(this.#text, index);
    if (depth === 0) return 'text';
    this.outline.add(index, depth, index + depth);
    return 'heading';
  }

  #toggleFence(index: number): boolean {
    const text = this.#text;
    const unit = text.charCodeAt(index);
    if (unit !== 0x60 && unit !== 0x7e) return false;
    const character = text.charAt(index);
    if (this.#fence && this.#fence[0] !== character) return false;
    let length = 1;
    while (length < 64 && text.charCodeAt(index + length) === unit) length++;
    if (length < Math.max(3, this.#fence.length)) return false;
    this.#fence = this.#fence ? '' : character.repeat(length);
    return true;
  }
}

/** 1 to 6 for a Markdown heading at `index`, else 0. */
function headingDepth(text: string, index: number): number {
  let depth = 0;
  while (depth < 7 && text.charCodeAt(index + depth) === 0x23) depth++;
  if (depth === 0 || depth > 6) return 0;
  const after = index + depth;
  if (after === text.length) return depth;
  const kind = classAt(text, after);
  return kind === SPACE || kind === NEWLINE ? depth : 0;
}
