import { csvRows } from '../../csv-rows.js';
import type { Document } from '../../document.js';
import { InvalidArgumentError } from '../../errors.js';
import { jsonLines, parseJson } from '../../json-lines.js';
import { type Entry, EntryProblem, isEntry } from './entry.js';
import { formOf, type QuestionForm, readers } from './forms.js';
import type { EvaluationQuestion } from './question.js';

export interface ImportQuestionsOptions {
  /** `json` (default): a list of objects, or JSON Lines. `csv`: a table whose cells may hold lists as JSON. */
  readonly format?: 'json' | 'csv';
  /** Default: each entry is looked at. */
  readonly form?: QuestionForm;
  /** What entries call their fields where that is another name: `{ question: 'prompt' }` reads `prompt` as `question`. */
  readonly fields?: Readonly<Record<string, string>>;
  /** Texts that questions of chroma's form are about, by their ids. */
  readonly corpora?: Iterable<Document>;
  /** Called for each entry that is left out. Without it the first one is thrown. */
  readonly onBadRow?: (row: BadRow) => void;
  readonly signal?: AbortSignal | undefined;
}

/** An entry that is no question. */
export interface BadRow {
  /** Line of the text that it begins on, from 1; absent in a list of JSON. */
  readonly line?: number;
  /** Its number, from 0. */
  readonly entry: number;
  readonly problem: string;
}

/**
 * Questions from data as it is published or usual: JSON Lines of question, answers and passages, HotpotQA, MuSiQue,
 * chroma's chunking evaluation, lists of contexts, CSV. See `QuestionForm`. An entry without an id is named by its number.
 *
 * @throws InvalidArgumentError for a text that is no such data, one without any question, and, without `onBadRow`, an entry
 * that is none, with its line; the signal's reason
 */
export async function importQuestions(
  text: string,
  options: ImportQuestionsOptions = {},
): Promise<EvaluationQuestion[]> {
  const { form, fields = {}, corpora = [], onBadRow, signal } = options;
  const texts = new Map(Array.from(corpora, (document) => [document.id, document]));
  const questions: EvaluationQuestion[] = [];
  const ids = new Set<string>();
  let number = -1;
  const refuse = (problem: string, line: number | undefined): void => {
    if (!onBadRow) {
      const place = line === undefined ? `Entry ${number}` : `Line ${line}`;
      throw new InvalidArgumentError(`${place} is no question: ${problem}.`);
    }
    onBadRow({ ...(line !== undefined && { line }), entry: number, problem });
  };
  for await (const { line, value, problem } of entriesOf(text, options)) {
    signal?.throwIfAborted();
    number++;
    if (problem !== undefined || !isEntry(value)) {
      refuse(problem ?? 'it is no object', line);
      continue;
    }
    try {
      const entry = renamed(value, fields);
      const question = readers[form ?? formOf(entry)](entry, { number, corpora: texts });
      if (ids.has(question.id)) {
        throw new EntryProblem(`its id "${question.id}" is that of an earlier one`);
      }
      ids.add(question.id);
      questions.push(question);
    } catch (error) {
      if (!(error instanceof EntryProblem)) throw error;
      refuse(error.message, line);
    }
  }
  if (questions.length > 0) return questions;
  throw new InvalidArgumentError('There is no question in this data.');
}

interface PlacedEntry {
  readonly line?: number;
  readonly value?: unknown;
  readonly problem?: string | undefined;
}

async function* entriesOf(
  text: string,
  { format = 'json', signal }: ImportQuestionsOptions,
): AsyncGenerator<PlacedEntry> {
  const content = text.replace(/^\ufeff/, '');
  if (format === 'csv') {
    const problems: PlacedEntry[] = [];
    const onProblem = ({ line, detail }: { readonly line: number; readonly detail: string }) =>
      problems.push({ line, problem: detail });
    for await (const { fields, line } of csvRows(content, { signal, onProblem })) {
      yield* problems.splice(0);
      yield { line, value: fields };
    }
    yield* problems;
  } else if (content.trimStart().startsWith('[')) {
    const parsed = parseJson(content);
    if ('problem' in parsed)
      throw new InvalidArgumentError(`The data cannot be read: ${parsed.problem}.`);
    if (!Array.isArray(parsed.value)) throw new InvalidArgumentError('The data is no list.');
    for (const value of parsed.value as unknown[]) yield { value };
  } else {
    yield* jsonLines(content);
  }
}

function renamed(entry: Entry, fields: Readonly<Record<string, string>>): Entry {
  const names = Object.entries(fields);
  if (names.length === 0) return entry;
  return { ...entry, ...Object.fromEntries(names.map(([name, theirs]) => [name, entry[theirs]])) };
}
