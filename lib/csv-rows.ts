// The build for browsers stands on nothing of Node's.
import { parse } from 'csv-parse/browser/esm';
import { InvalidArgumentError } from './errors.js';

/** A row of a CSV text, by the names of its header. */
export interface CsvRow {
  readonly fields: Readonly<Record<string, string>>;
  /** Line of the text that the row begins on, from 1. */
  readonly line: number;
}

/** A row that is none. */
export interface RowProblem {
  /** Line of the text, from 1. */
  readonly line: number;
  readonly detail: string;
}

export interface CsvOptions {
  /** Default: of comma, semicolon, tab and bar the one that is in the first line most often. */
  readonly delimiter?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called for each row that is left out: another number of fields than the header has, or a quote without end. */
  readonly onProblem: (problem: RowProblem) => void;
}

const delimiters = [',', ';', '\t', '|'];
/** Characters parsed between two looks at what else there is to do. */
const sliceLength = 1 << 16;

/**
 * Rows of a CSV text (RFC 4180) whose first row is the header. Blank lines are passed over; a column without a name is
 * called by its number.
 *
 * @throws InvalidArgumentError for a header with a name twice, and the signal's reason
 */
export async function* csvRows(text: string, options: CsvOptions): AsyncGenerator<CsvRow> {
  const { signal, onProblem, delimiter = delimiterOf(text) } = options;
  const parser = parse({
    delimiter,
    bom: true,
    raw: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    // All three, whichever the first line ends in.
    record_delimiter: ['\r\n', '\n', '\r'],
    // All that is left of mistakes is a quote that is never closed: its row goes on to the end of the text.
    on_skip: (error, rest) => {
      if (!error) return undefined;
      const line = 1 + countLines(text) - countLines((rest ?? '').replace(/^[\r\n]+/, ''));
      onProblem({ line, detail: detailOf(error) });
      return undefined;
    },
  });
  const parsed: ParsedRow[] = [];
  parser.on('data', (row: ParsedRow) => parsed.push(row));
  const ended = new Promise<void>((resolve, reject) => {
    parser.on('end', resolve);
    parser.on('error', reject);
  });
  let names: readonly string[] | undefined;
  let lines = 0;
  function* taken(): Generator<CsvRow> {
    for (const { record, raw } of parsed.splice(0)) {
      signal?.throwIfAborted();
      const blank = /^[\r\n]*/.exec(raw)?.[0] ?? '';
      const line = 1 + lines + countLines(blank);
      lines += countLines(raw);
      if (!names) {
        names = headerOf(record);
        continue;
      }
      if (record.length !== names.length) {
        const many = `${record.length} field${record.length === 1 ? '' : 's'}`;
        onProblem({ line, detail: `it has ${many}, the header ${names.length}` });
        continue;
      }
      yield { fields: Object.fromEntries(names.map((name, i) => [name, record[i] ?? ''])), line };
    }
  }
  for (let at = 0; at < text.length; at += sliceLength) {
    parser.write(text.slice(at, at + sliceLength));
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    yield* taken();
  }
  parser.end();
  await ended;
  yield* taken();
}

interface ParsedRow {
  readonly record: readonly string[];
  /** The row as it stands in the text, with the blank lines before it. */
  readonly raw: string;
}

/** Ends of lines. */
function countLines(text: string): number {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

function headerOf(record: readonly string[]): readonly string[] {
  const names = record.map((name, i) => (name.trim() === '' ? `column ${i + 1}` : name.trim()));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new InvalidArgumentError(`the header names the column "${twice}" twice`);
}

function delimiterOf(text: string): string {
  const end = /[\r\n]/.exec(text)?.index ?? text.length;
  const line = text.slice(0, Math.min(end, 1 << 16)).replace(/"[^"]*"/g, '');
  const counts = delimiters.map((delimiter) => line.split(delimiter).length);
  return delimiters[counts.indexOf(Math.max(...counts))] as string;
}

function detailOf(error: Error): string {
  if (/quote not closed/i.test(error.message)) {
    return 'a quote is opened before it and never closed, so what follows is lost';
  }
  return error.message;
}
