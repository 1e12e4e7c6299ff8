import type { Document } from '../../document.js';
import type { Steps } from '../../pace.js';
import { isMarkdown } from '../formats.js';
import { MarkdownLines } from '../markdown-lines.js';
import { Outline } from '../outline.js';
import type { Structure } from '../structured.js';

/** Headings of depth 1 to 6 have the strengths 0 to 5. */
const deepest = 6;
const PARAGRAPH = deepest;
const LEVELS = PARAGRAPH + 1;

/** UTF-16 units that a title has at most: a longer line is text. */
const longestTitle = 100;

/** A whole line of `= Title =` to `====== Title ======`, the signs also apart, as WikiText has them. */
const wikiHeading = /^[ \t]*(=(?: ?=){0,5})[ \t]+([^\n]*?[^\n= \t])[ \t]+\1[ \t]*\r?$/;

/** Ends of sentences, and of lines that go on. */
const endsText = /[.!?:;,。！？：；，]$/;

/**
 * Headings and paragraphs of a text of no known format: a title on a line by itself above a blank line at the
 * beginning, headings of Markdown (`#`) and of wikis (`= =`). A heading stays with what it announces.
 */
export function* plainStructure(document: Document): Steps<Structure> {
  const { text } = document;
  const marks: number[] = [];
  const outline = new Outline();
  const lines = new MarkdownLines(text, isMarkdown(document));
  const title = titleOf(text);
  let isBlank = true;
  let afterHeading = false;
  let count = 0;
  for (let start = 0; start < text.length;) {
    const end = lineEnd(text, start);
    const line = text.slice(start, Math.min(end, start + longestTitle + 20));
    const visible = start + line.length - line.trimStart().length;
    if ((++count & 0x3ff) === 0) yield start / text.length;
    const next = end + 1;
    if (line.trim() === '' && line.length === end - start) {
      isBlank = true;
      start = next;
      continue;
    }
    // Inside of a fence nothing is a heading.
    const kind = lines.read(start, visible);
    const wiki = kind === 'text' && end - start <= longestTitle ? wikiHeading.exec(line) : null;
    let depth = 0;
    if (kind === 'heading') {
      depth = /^#+/.exec(line.trimStart())?.[0].length ?? 1;
      outline.add(visible, depth, visible + depth);
    } else if (wiki) {
      depth = (wiki[1] as string).replaceAll(' ', '').length;
      outline.add(visible, depth, wiki[2] as string);
    } else if (visible === title?.at) {
      depth = 1;
      outline.add(visible, depth, title.text);
    }
    if (!afterHeading) {
      if (depth > 0) marks.push(start, depth - 1);
      else if (isBlank && kind !== 'code') marks.push(start, PARAGRAPH);
    }
    afterHeading = depth > 0;
    isBlank = false;
    start = next;
  }
  return { marks, levels: LEVELS, outline };
}

/** The first line that is not blank, if it reads as a title. */
function titleOf(text: string): { readonly at: number; readonly text: string } | undefined {
  const first = /^\s*/.exec(text)?.[0].length ?? 0;
  const end = lineEnd(text, first);
  if (end - first > longestTitle) return undefined;
  const title = text.slice(first, end).trim();
  const isAlone = /^\r?\n[ \t]*\r?\n\s*\S/.test(text.slice(end, end + 200));
  return isAlone && /\p{L}/u.test(title) && !endsText.test(title)
    ? { at: first, text: title }
    : undefined;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}
