import type { Steps } from '../../pace.js';
import { FoldedText } from '../model/folded-text.js';
import type { UnitRange } from '../model/unit-ranges.js';
import { gap } from './prompts.js';
import type { ShownSentence, Window } from './window.js';

/** A segmentation that could be read off an answer. */
export interface ReadPassages {
  /** In order, together all sentences of the window. */
  readonly ranges: readonly UnitRange[];
  /** The sentence from which on the answer says nothing: the last range. */
  readonly openFrom?: number;
}

interface Passage {
  readonly opening: string;
  readonly closing: string;
}

/** Lines that match nothing, and an answer is given up: a model may go on for long. */
const mostMisses = 40;

/**
 * Reads passages by their first and last words, which are looked for in the text, one behind the other, with errors forgiven. Borders
 * fall between sentences, at the nearest place. Undefined for an answer of whose passages fewer than half are found in
 * their order: it is invented, shuffled, says the same again and again, or is no answer.
 */
export function* readPassages(
  window: Window,
  answer: string,
  isCutShort: boolean,
): Steps<ReadPassages | undefined> {
  const { range, sentences } = window;
  const passages = passagesOf(answer, isCutShort);
  if (passages.length === 0 || sentences.length === 0) return undefined;
  const text = new FoldedText(window.text, window.start);
  const openings = new Set(sentences.map(({ start }) => start));
  const borders = new Set<number>();
  let hits = 0;
  let at = window.start;
  let closed: number | undefined;
  let endsWell = true;
  for (const [i, { opening, closing }] of passages.entries()) {
    yield i / passages.length;
    const first = text.find(opening, at, (start) => openings.has(start));
    const last = closing === '' ? undefined : text.find(closing, first?.start ?? at);
    if (!first && !last) {
      if (i + 1 - hits > mostMisses) return undefined;
      continue;
    }
    hits++;
    const begin = first ? beginAt(sentences, first.start) : closed;
    if (begin !== undefined) borders.add(begin);
    closed = last && endAt(sentences, last.end);
    // Where nothing was forgiven elsewhere, nothing is at the end of the text.
    endsWell = !last || text.endsWith(closing, last.isExact);
    at = Math.max(at, last?.end ?? 0, (first?.start ?? -1) + 1);
  }
  if (2 * hits < passages.length || hits === 0) return undefined;
  const inner = [...borders]
    .map((number) => sentences[number]?.unit ?? range.to)
    .filter((unit) => unit > range.from && unit < range.to)
    .sort((a, b) => a - b);
  const openFrom = openFromOf(range, {
    isCutShort,
    closed: closed === undefined ? undefined : (sentences[closed]?.unit ?? range.to),
    lastBorder: inner.at(-1) ?? range.from,
    endsWell,
  });
  if (openFrom !== undefined && openFrom > range.from && !inner.includes(openFrom)) {
    inner.push(openFrom);
    inner.sort((a, b) => a - b);
  }
  const ranges = [range.from, ...inner].map((from, i) => ({ from, to: inner[i] ?? range.to }));
  return { ranges, ...(openFrom !== undefined && { openFrom }) };
}

/** The sentence from which on nothing is said, if there is one: behind the last passage, where that does not end the text. */
function openFromOf(
  range: UnitRange,
  {
    isCutShort,
    closed,
    lastBorder,
    endsWell,
  }: {
    readonly isCutShort: boolean;
    readonly closed: number | undefined;
    readonly lastBorder: number;
    readonly endsWell: boolean;
  },
): number | undefined {
  if (!isCutShort && endsWell) return undefined;
  const end = closed === undefined ? lastBorder : Math.max(closed, lastBorder);
  return end < range.to ? end : undefined;
}

function passagesOf(answer: string, isCutShort: boolean): Passage[] {
  const lines = answer.split('\n');
  // The last line of an answer that was cut short may be half a quotation.
  if (isCutShort) lines.pop();
  return lines.flatMap((line) => {
    const plain = line.replace(/^\s*(?:[-*•]|\d{1,3}[.):])\s+/u, '').trim();
    if (!/[\p{L}\p{N}\p{S}\p{P}]/u.test(plain)) return [];
    const parts = plain.split(separator);
    const opening = unquoted(parts[0] ?? '');
    const closing = parts.length > 1 ? unquoted(parts.at(-1) ?? '') : '';
    return opening === '' && closing === '' ? [] : [{ opening, closing }];
  });
}

/** The sign that was asked for, and what models write for it. */
const separator = new RegExp(
  `${gap.replaceAll(/[[\].]/gu, String.raw`\$&`)}|\\[(?:…|MASK)\\]|<MASK>| (?:\\.{3}|…) `,
  'u',
);

function unquoted(words: string): string {
  const plain = words.trim();
  return /^(["'“”«»]).*["'“”«»]$/u.test(plain) ? plain.slice(1, -1).trim() : plain;
}

/** Number of the sentence whose beginning is nearest. */
function beginAt(sentences: readonly ShownSentence[], place: number): number {
  const inside = lastAtOrBefore(sentences, place);
  const here = sentences[inside] as ShownSentence;
  const next = sentences[inside + 1];
  return next && next.start - place < place - here.start ? inside + 1 : inside;
}

/** Number of the sentence behind the end that is nearest. */
function endAt(sentences: readonly ShownSentence[], place: number): number {
  const inside = lastAtOrBefore(sentences, place - 1);
  const here = sentences[inside] as ShownSentence;
  const before = sentences[inside - 1];
  const isNearer = before && place - before.end < here.end - place;
  return isNearer ? inside : inside + 1;
}

function lastAtOrBefore(sentences: readonly ShownSentence[], place: number): number {
  let low = 0;
  let high = sentences.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((sentences[middle] as ShownSentence).start <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}
