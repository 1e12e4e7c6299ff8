import type { Steps } from '../pace.js';
import { BorderMarker, type BorderMap } from './border-map.js';
import {
  CLAUSE_END,
  CLOSER,
  NEWLINE,
  SENTENCE_END,
  SPACE,
  WIDE_CLAUSE_END,
  WIDE_SENTENCE_END,
  classAt,
  classBefore,
} from './characters.js';
import { Outline } from './outline.js';
import type { Separator, SeparatorName } from './separators.js';
import { endsSentence } from './sentence-end.js';

/** Markdown allows this much indentation before a heading or a fence; more makes it code. */
const maxIndent = 3;

/**
 * Reads a text once, strengthens the borders at the named separators, and notes its headings. Inside fenced
 * code blank lines count as lines, and there are no headings, sentences or clauses.
 */
export class TextScanner {
  readonly #borders: BorderMap;
  readonly #marker: BorderMarker;
  readonly #outline = new Outline();
  readonly #strengths: Readonly<Record<SeparatorName, number | undefined>>;
  readonly #markdown: boolean;
  /** The open fence's character and length, as it was written; empty outside of fenced code. */
  #fence = '';
  #afterHeading = false;

  constructor(borders: BorderMap, separators: readonly Separator[], markdown: boolean) {
    this.#borders = borders;
    this.#marker = new BorderMarker(borders);
    this.#markdown = markdown;
    const strength = (name: SeparatorName) => {
      const index = separators.indexOf(name);
      return index < 0 ? undefined : index;
    };
    this.#strengths = {
      heading: strength('heading'),
      paragraph: strength('paragraph'),
      line: strength('line'),
      sentence: strength('sentence'),
      clause: strength('clause'),
    };
  }

  *scan(): Steps<Outline> {
    const { text } = this.#borders;
    let newlines = 1;
    let lineStart = 0;
    // A sentence or clause that has ended, if what follows confirms it; -1 for none.
    let pending = -1;
    let pendingKind = 0;
    let spaces = false;
    for (let i = 0; i < text.length; i++) {
      if ((i & 0x1fff) === 0) yield i / text.length;
      const kind = classAt(text, i);
      if (kind === NEWLINE) {
        newlines += this.#newlineWeight(i);
        lineStart = i + 1;
        pending = -1;
        continue;
      }
      if (kind === SPACE) {
        spaces = true;
        continue;
      }
      if (newlines > 0) {
        this.#beginLine(lineStart, i, newlines > 1);
        newlines = 0;
        pending = -1;
      } else if (
        pending >= 0 &&
        (spaces || isWide(pendingKind)) &&
        !continues(kind, pendingKind, spaces)
      ) {
        this.#endPhrase(pending, pendingKind, i);
        pending = -1;
      }
      if (isSentenceEnd(kind) || kind === CLAUSE_END || kind === WIDE_CLAUSE_END) {
        pending = i;
        pendingKind = kind;
      } else if (!(kind === CLOSER && pending >= 0 && !spaces)) {
        pending = -1;
      }
      spaces = false;
    }
    return this.#outline;
  }

  /** 1 for the end of a line, 2 for what ends a paragraph by itself, 0 for the first half of CRLF. */
  #newlineWeight(index: number): number {
    const { text } = this.#borders;
    const unit = text.charCodeAt(index);
    if (unit === 0x0d && text.charCodeAt(index + 1) === 0x0a) return 0;
    return unit === 0x0c || unit === 0x2029 ? 2 : 1;
  }

  /** The first visible character of a line, at `index`, after the end of another line or paragraph. */
  #beginLine(lineStart: number, index: number, paragraph: boolean): void {
    const afterHeading = this.#afterHeading;
    this.#afterHeading = false;
    const inFence = this.#fence !== '';
    if (this.#markdown && index - lineStart <= maxIndent) {
      if (this.#toggleFence(index)) {
        if (!afterHeading) this.#mark(lineStart, paragraph && !inFence ? 'paragraph' : 'line');
        return;
      }
      const depth = inFence ? 0 : headingDepth(this.#borders.text, index);
      if (depth > 0) {
        this.#outline.add(index, depth);
        this.#afterHeading = true;
        // A heading right below another one stays with it.
        if (afterHeading) return;
        this.#mark(
          lineStart,
          this.#strengths.heading === undefined && paragraph ? 'paragraph' : 'heading',
        );
        return;
      }
    }
    // A heading stays with what it announces.
    if (!afterHeading) this.#mark(lineStart, paragraph && !inFence ? 'paragraph' : 'line');
  }

  /** Whether a fence of code begins or ends at `index`. */
  #toggleFence(index: number): boolean {
    const { text } = this.#borders;
    const character = text.charAt(index);
    if (character !== '`' && character !== '~') return false;
    if (this.#fence && this.#fence[0] !== character) return false;
    let length = 1;
    while (length < 64 && text.charAt(index + length) === character) length++;
    if (length < Math.max(3, this.#fence.length)) return false;
    this.#fence = this.#fence ? '' : character.repeat(length);
    return true;
  }

  #endPhrase(end: number, kind: number, next: number): void {
    if (this.#fence) return;
    const sentence = isSentenceEnd(kind);
    if (kind === SENTENCE_END && !endsSentence(this.#borders.text, end, next)) return;
    this.#mark(next, sentence ? 'sentence' : 'clause');
  }

  #mark(index: number, name: SeparatorName): void {
    // A stronger place whose own separator was not asked for is at least a place of the next kind.
    const fallback = name === 'heading' || name === 'paragraph' ? this.#strengths.line : undefined;
    const strength = this.#strengths[name] ?? fallback;
    if (strength !== undefined) this.#marker.mark(index, strength);
  }
}

function isSentenceEnd(kind: number): boolean {
  return kind === SENTENCE_END || kind === WIDE_SENTENCE_END;
}

function isWide(kind: number): boolean {
  return kind === WIDE_SENTENCE_END || kind === WIDE_CLAUSE_END;
}

/** Whether a character of class `kind` still belongs to the phrase that a sign of `pendingKind` ended. */
function continues(kind: number, pendingKind: number, spaces: boolean): boolean {
  if (isSentenceEnd(kind) || kind === CLAUSE_END || kind === WIDE_CLAUSE_END) return true;
  return kind === CLOSER && isWide(pendingKind) && !spaces;
}

/** 1 to 6 for a Markdown heading at `index`, else 0. */
function headingDepth(text: string, index: number): number {
  let depth = 0;
  while (depth < 7 && text.charCodeAt(index + depth) === 0x23) depth++;
  if (depth === 0 || depth > 6) return 0;
  const after = index + depth;
  if (after === text.length) return depth;
  const kind = classBefore(text, after + 1);
  return kind === SPACE || kind === NEWLINE ? depth : 0;
}
