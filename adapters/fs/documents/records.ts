import type { Document } from '../../../lib/document.js';
import { InvalidArgumentError } from '../../../lib/errors.js';
import type { DocumentFormat } from './formats.js';
import type { RecordOptions, SourceRecord } from './record-options.js';
import type { DocumentFile } from './types.js';

/** A record and where in its file it is. */
export interface PlacedRecord {
  readonly record: SourceRecord;
  /** From 1, counting bad ones too. */
  readonly number: number;
  /** Line that it begins on, from 1, where that is known. */
  readonly line?: number;
}

/** A record that gives no document. */
export interface RecordProblem {
  /** For example `line 7`. */
  readonly at: string;
  readonly detail: string;
}

export interface RecordContext {
  readonly file: DocumentFile;
  readonly format: DocumentFormat;
  /** What each document has in its metadata beside the fields. */
  readonly about: Readonly<Record<string, unknown>>;
  readonly options: RecordOptions;
  readonly onProblem: (problem: RecordProblem) => void;
}

/** Turns the records of one file into documents, one after another. */
export class RecordReader {
  readonly #context: RecordContext;
  readonly #textOf: (record: SourceRecord) => { text: string; used: ReadonlySet<string> };
  readonly #ids = new Set<string>();

  /** @throws InvalidArgumentError for options that cannot be */
  constructor(context: RecordContext) {
    this.#context = context;
    this.#textOf = textMaker(context.options.text);
  }

  /** The record's document; undefined, and told, where there is no text in it. */
  read(placed: PlacedRecord): Document | undefined {
    const { record, number, line } = placed;
    const { file, format, about, options } = this.#context;
    const { text, used } = this.#textOf(record);
    if (!/\S/.test(text)) {
      this.#tell(placed, 'there is no text in it');
      return undefined;
    }
    const title = valueText(valueAt(record, options.title ?? 'title'));
    const place = { ...(line !== undefined && { line }), record: number };
    const fields = fieldsOf(record, options.metadata, used, { ...about, ...place, format });
    return {
      id: this.#idOf(placed),
      text,
      ...(title !== '' && { title }),
      source: file.path,
      metadata: { ...fields, format, ...about, ...place },
      chunkMetadata: { ...fields, ...place },
    };
  }

  #idOf(placed: PlacedRecord): string {
    const { file, options } = this.#context;
    const wanted = options.id === undefined ? '' : valueText(valueAt(placed.record, options.id));
    let name = wanted === '' ? `${placed.number}` : wanted;
    if (options.id !== undefined && wanted === '') {
      this.#tell(placed, `it has no "${options.id}", so its number names it`);
    }
    if (this.#ids.has(name)) {
      this.#tell(placed, `its id "${name}" is that of an earlier record, so its number is added`);
      name = `${name}#${placed.number}`;
    }
    this.#ids.add(name);
    return `${file.id}#${name}`;
  }

  #tell({ line, number }: PlacedRecord, detail: string): void {
    this.#context.onProblem({
      at: line === undefined ? `record ${number}` : `line ${line}`,
      detail,
    });
  }
}

const bodies = ['text', 'content'];

function textMaker(text: RecordOptions['text']): (record: SourceRecord) => {
  text: string;
  used: ReadonlySet<string>;
} {
  if (typeof text === 'function') {
    return (record) => ({ text: String(text(record)), used: new Set() });
  }
  if (typeof text === 'string') {
    const names = Array.from(text.matchAll(/\{([^{}]+)\}/g), ([, name]) => String(name).trim());
    if (names.length === 0) {
      throw new InvalidArgumentError(
        `The text of records is "${text}", without a {field} in it. Name one, or give a list: ['${text}'].`,
      );
    }
    const used = new Set(names);
    return (record) => {
      // A text of nothing but what stands around fields is none.
      const isBlank = names.every((name) => valueText(valueAt(record, name)) === '');
      const filled = text.replaceAll(/\{([^{}]+)\}/g, (_, name: string) =>
        valueText(valueAt(record, name.trim())),
      );
      return { text: isBlank ? '' : filled, used };
    };
  }
  if (text && text.length === 0) {
    throw new InvalidArgumentError('The text of records needs one field at least.');
  }
  return (record) => {
    const body = bodies.find((name) => typeof record[name] === 'string' && record[name] !== '');
    const names = text ?? (body === undefined ? Object.keys(record) : [body]);
    const parts = names.map((name) => [name, valueText(valueAt(record, name))] as const);
    const isOne = names.length === 1 && (text !== undefined || body !== undefined);
    return {
      text: isOne
        ? (parts[0]?.[1] ?? '')
        : parts
            .filter(([, value]) => value !== '')
            .map(([name, value]) => `${name}: ${value}`)
            .join('\n'),
      used: new Set(names),
    };
  };
}

/** Fields for metadata; one with the name of something that every document has is called `field.NAME`. */
function fieldsOf(
  record: SourceRecord,
  wanted: readonly string[] | undefined,
  used: ReadonlySet<string>,
  taken: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = wanted ?? Object.keys(record).filter((name) => !used.has(name));
  const fields: Record<string, unknown> = {};
  for (const name of names) {
    const value = valueAt(record, name);
    if (value === undefined || value === null || value === '') continue;
    fields[Object.hasOwn(taken, name) ? `field.${name}` : name] = value;
  }
  return fields;
}

/** A field by its name, or by a path into objects. */
export function valueAt(record: SourceRecord, path: string): unknown {
  if (Object.hasOwn(record, path)) return record[path];
  let value: unknown = record;
  for (const name of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

export function isRecord(value: unknown): value is SourceRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return value.trim();
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(valueText).filter(Boolean).join(', ');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}
