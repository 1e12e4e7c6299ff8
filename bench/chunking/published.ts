import { mean, precisionOmega, type Range } from '../../lib/evaluate/index.js';
import type { TokenizedDocument } from '../../lib/index.js';
import { atMost, type BenchOutcome, round } from '../harness.js';
import type { Cl100kTokenizer } from './cl100k.js';
import type { ReferencedQuestion } from './data.js';
import { splitAsChroma } from './chroma-splitter.js';

/** PrecisionOmega in percent as Chroma published it, all five corpora, tokens of cl100k_base. */
export const publishedOmegas = [
  { kind: 'recursive', size: 800, overlap: 400, percent: 6.7 },
  { kind: 'recursive', size: 400, overlap: 200, percent: 13.9 },
  { kind: 'recursive', size: 400, overlap: 0, percent: 17.7 },
  { kind: 'recursive', size: 200, overlap: 0, percent: 29.9 },
  { kind: 'token', size: 800, overlap: 400, percent: 4.7 },
  { kind: 'token', size: 400, overlap: 200, percent: 8.4 },
  { kind: 'token', size: 400, overlap: 0, percent: 12.5 },
  { kind: 'token', size: 200, overlap: 0, percent: 21.0 },
] as const;

/** The corpora that the published numbers are over. */
export const publishedCorpora = [
  'chatlogs',
  'finance',
  'pubmed',
  'state_of_the_union',
  'wikitexts',
];
/** And how many questions. */
export const publishedQuestions = 472;

/** PrecisionOmega, in percent, of the published chunkers written anew: if it is theirs, so is the measure. */
export function omegaAsPublished(
  { kind, size, overlap }: (typeof publishedOmegas)[number],
  documents: readonly TokenizedDocument[],
  questions: readonly ReferencedQuestion[],
  tokenizer: Cl100kTokenizer,
): number {
  const chunks = documents.flatMap((document) => {
    const ranges =
      kind === 'token'
        ? tokenWindows(document, size, overlap)
        : splitAsChroma(document.text, {
            size,
            overlap,
            lengthOf: (text) => tokenizer.count(text),
          });
    return ranges.map((range) => ({ documentId: document.id, ...range }));
  });
  return 100 * mean(questions.map(({ references }) => precisionOmega(chunks, references)));
}

function tokenWindows({ text, tokens }: TokenizedDocument, size: number, overlap: number): Range[] {
  const count = tokens.ids.length;
  const place = (token: number) => {
    while (token < count && (tokens.starts[token] as number) < 0) token++;
    return tokens.starts[token] ?? text.length;
  };
  const ranges: Range[] = [];
  for (let from = 0; from < count; from += size - overlap) {
    ranges.push({ start: place(from), end: place(Math.min(count, from + size)) });
    if (from + size >= count) break;
  }
  return ranges;
}

/** The measure held against published values of it, where the data are those that were published. */
export function published(
  documents: readonly TokenizedDocument[],
  questions: readonly ReferencedQuestion[],
  tokenizer: Cl100kTokenizer,
  { figures, goals, skipped }: BenchOutcome,
): void {
  if (questions.length === 0) {
    skipped.push('published: no --questions');
    return;
  }
  const names = documents.map(({ id }) => id).sort();
  const isAll = names.join() === publishedCorpora.join() && questions.length === publishedQuestions;
  for (const published of publishedOmegas) {
    const { kind, size, overlap, percent } = published;
    const omega = omegaAsPublished(published, documents, questions, tokenizer);
    const name = `published.${kind}.${size}.${overlap}`;
    figures[`${name}.omegaPercent`] = round(omega);
    if (isAll) goals[`${name}.offPublished`] = atMost(Math.abs(omega - percent), 0.06);
  }
  if (!isAll) {
    skipped.push(
      `published values to compare with: they are over ${publishedQuestions} questions on ${publishedCorpora.join(', ')}`,
    );
  }
}
