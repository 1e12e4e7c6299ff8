import type { TokenizedDocument } from '../../document.js';
import type { UnitRange } from '../model/unit-ranges.js';
import type { Units } from '../units.js';

/** A sentence as a model sees it: without blanks around it, with its place in the document, in UTF-16 units. */
export interface ShownSentence {
  /** Number of the sentence in the document. */
  readonly unit: number;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** With the blanks around it. */
  readonly tokenStart: number;
  readonly tokenEnd: number;
}

/** A part of a document that is segmented in one go. */
export interface Window {
  readonly range: UnitRange;
  /** From the first character that is no blank to the last. */
  readonly text: string;
  /** Where that is in the document. */
  readonly start: number;
  readonly tokens: number;
  /** Its sentences that are not blank. */
  readonly sentences: readonly ShownSentence[];
}

export function windowOf(
  { text, tokens }: TokenizedDocument,
  { starts }: Units,
  range: UnitRange,
): Window {
  const sentences: ShownSentence[] = [];
  for (let unit = range.from; unit < range.to; unit++) {
    const tokenStart = starts[unit] as number;
    const tokenEnd = starts[unit + 1] as number;
    const from = tokens.starts[tokenStart] as number;
    const whole = text.slice(from, tokens.starts[tokenEnd]);
    const shown = whole.trim();
    if (shown === '') continue;
    const start = from + whole.length - whole.trimStart().length;
    sentences.push({ unit, text: shown, start, end: start + shown.length, tokenStart, tokenEnd });
  }
  const start = sentences[0]?.start ?? 0;
  return {
    range,
    text: text.slice(start, sentences.at(-1)?.end ?? start),
    start,
    tokens: (starts[range.to] as number) - (starts[range.from] as number),
    sentences,
  };
}
