import { InvalidArgumentError } from '../../../lib/errors.js';
import { jsonLines, parseJson } from '../../../lib/json-lines.js';
import type { SourceRecord } from './record-options.js';
import { isRecord, type PlacedRecord, valueAt } from './records.js';

/**
 * The records of a JSON file: the objects of the list that it is or, with `list`, has. Undefined where it is no such list:
 * then it is one text.
 *
 * @throws InvalidArgumentError for a text that is no JSON, or has no such list
 */
export function jsonRecords(text: string, list?: string): PlacedRecord[] | undefined {
  const parsed = parseJson(text);
  if ('problem' in parsed) throw new InvalidArgumentError(parsed.problem);
  const data = parsed.value;
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
export function* lineRecords(
  text: string,
  onProblem: (line: number, detail: string) => void,
): Generator<PlacedRecord> {
  let number = 0;
  for (const parsed of jsonLines(text)) {
    const { line } = parsed;
    number++;
    if (parsed.problem !== undefined) onProblem(line, parsed.problem);
    else if (isRecord(parsed.value)) yield { record: parsed.value, number, line };
    else if (typeof parsed.value === 'string') {
      yield { record: { text: parsed.value }, number, line };
    } else onProblem(line, 'it is neither an object nor a text');
  }
}
