import type { Steps } from '../pace.js';
import {
  CLAUSE_END,
  CLOSER,
  NEWLINE,
  SENTENCE_END,
  SPACE,
  WIDE_CLAUSE_END,
  WIDE_SENTENCE_END,
  WORD,
  classAt,
} from './characters.js';
import { MarkdownLines } from './markdown-lines.js';
import type { Outline } from './outline.js';
import type { Separator, SeparatorName } from './separators.js';
import { endsSentence } from './sentence-end.js';

/** Where a scanner puts what it finds. */
export interface Marks {
  /** A separator of this strength, 0 the best, at `index`; called in text order. */
  mark(index: number, strength: number): void;
}

/**
 * Reads a text once, marks the named separators, and notes its headings. Inside fenced
 * code blank lines count as lines, and there are no headings, sentences or clauses.
 */
export class TextScanner {
  readonly #text: string;
  readonly #marks: Marks;
  readonly #lines: MarkdownLines;
  readonly #strengths: Readonly<Record<SeparatorName, number | undefined>>;
  #afterHeading = false;

  constructor(text: string, marks: Marks, separators: readonly Separator[], markdown: boolean) {
    this.#text = text;
    this.#marks = marks;
    this.#lines = new MarkdownLines(text, markdown);
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
    const text = this.#text;
    let newlines = 1;
    let lineStart = 0;
    // A sentence or clause that has ended, if what follows confirms it; -1 for none.
    let pending = -1;
    let pendingKind = 0;
    let spaces = false;
    for (let i = 0; i < text.length; i++) {
      if ((i & 0x1fff) === 0) yield i / text.length;
      const kind = classAt(text, i);
      // Most characters.
      if (kind === WORD && newlines === 0 && pending < 0) {
        spaces = false;
        continue;
      }
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
    return this.#lines.outline;
  }

  /** 1 for the end of a line, 2 for what ends a paragraph by itself, 0 for the first half of CRLF. */
  #newlineWeight(index: number): number {
    const text = this.#text;
    const unit = text.charCodeAt(index);
    if (unit === 0x0d && text.charCodeAt(index + 1) === 0x0a) return 0;
    return unit === 0x0c || unit === 0x2029 ? 2 : 1;
  }

  /** The first visible character of a line, at `index`, after the end of another line or paragraph. */
  #beginLine(lineStart: number, index: number, paragraph: boolean): void {
    const afterHeading = this.#afterHeading;
    const inFence = this.#lines.inFence;
    const kind = this.#lines.read(lineStart, index);
    this.#afterHeading = kind === 'heading';
    // A heading stays with what it announces, another heading included.
    if (afterHeading) return;
    if (kind === 'heading') {
      const isParagraph = this.#strengths.heading === undefined && paragraph;
      this.#mark(lineStart, isParagraph ? 'paragraph' : 'heading');
    } else this.#mark(lineStart, paragraph && !inFence ? 'paragraph' : 'line');
  }

  #endPhrase(end: number, kind: number, next: number): void {
    if (this.#lines.inFence) return;
    const sentence = isSentenceEnd(kind);
    if (kind === SENTENCE_END && !endsSentence(this.#text, end, next)) return;
    this.#mark(next, sentence ? 'sentence' : 'clause');
  }

  #mark(index: number, name: SeparatorName): void {
    // A stronger place whose own separator was not asked for is at least a place of the next kind.
    const fallback = name === 'heading' || name === 'paragraph' ? this.#strengths.line : undefined;
    const strength = this.#strengths[name] ?? fallback;
    if (strength !== undefined) this.#marks.mark(index, strength);
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
