import { InvalidArgumentError } from '../../../lib/errors.js';
import { isRecord, type PlacedRecord, type SourceRecord, valueAt } from './records.js';

/**
 * The records of a JSON file: the objects of the list that it is or, with `list`, has. Undefined where it is no such list:
 * then it is one text.
 *
 * @throws InvalidArgumentError for a text that is no JSON, or has no such list
 */
export function jsonRecords(text: string, list?: string): PlacedRecord[] | undefined {
  const data = parseJson(text);
  const found = list === undefined ? data : isRecord(data) ? valueAt(data, list) : undefined;
  if (Array.isArray(found) && found.length > 0 && found.every(isRecord)) {
    return found.map((record: SourceRecord, i) => ({ record, number: i + 1 }));
  }
  if (list === undefined) return undefined;
  throw new InvalidArgumentError(`it has no list of objects at "${list}"`);
}

/**
 * A record for each line that is not blank. A line that is a text stands for `{ text }`.
 *
 * @param onProblem called for each line that is no JSON, or neither object nor text
 */
export function* jsonLines(
  text: string,
  onProblem: (line: number, detail: string) => void,
): Generator<PlacedRecord> {
  let number = 0;
  let line = 0;
  for (const part of lines(text)) {
    line++;
    if (part.trim() === '') continue;
    number++;
    try {
      const value = parseJson(part);
      if (isRecord(value)) yield { record: value, number, line };
      else if (typeof value === 'string') yield { record: { text: value }, number, line };
      else onProblem(line, 'it is neither an object nor a text');
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      onProblem(line, error.message);
    }
  }
}

/** @throws InvalidArgumentError */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError(`it is no JSON (${detail})`, { cause });
  }
}

/** Not by a split, which would hold all lines of a large file at once. */
function* lines(text: string): Generator<string> {
  let from = 0;
  while (from < text.length) {
    const end = text.indexOf('\n', from);
    yield text.slice(from, end < 0 ? text.length : end);
    from = end < 0 ? text.length : end + 1;
  }
}
