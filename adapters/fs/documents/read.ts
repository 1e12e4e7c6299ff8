import { readFile, stat } from 'node:fs/promises';
import type { Document } from '../../../lib/document.js';
import { csvRows } from '../../../lib/csv-rows.js';
import { InvalidArgumentError, MissingPackageError } from '../../../lib/errors.js';
import { decodeText } from './decode.js';
import { codeOf } from './find.js';
import { type DocumentFormat, kindOf } from './formats.js';
import { extractHtml } from './html.js';
import { jsonRecords, lineRecords } from './json.js';
import { extractPdf, pdfText } from './pdf.js';
import { type PlacedRecord, RecordReader } from './records.js';
import {
  defaultMaxFileBytes,
  type DocumentFile,
  type ReadOptions,
  type SkippedFile,
  type SkipReason,
} from './types.js';

/** The documents of a file, or why it gives none. */
export type ReadResult =
  | { readonly documents: readonly [Document, ...Document[]]; readonly skipped?: undefined }
  | { readonly documents?: undefined; readonly skipped: SkippedFile };

/** Problems of a file's rows that are told one by one; of more, the number is. */
const toldProblems = 5;

/**
 * Reads one file. Text, Markdown and source code stay as they are; of HTML and PDF the text is what a reader sees. Rows of
 * CSV, lines of JSON Lines and the objects of a JSON file that is a list of them become a document each, by
 * `options.records`; any other JSON file is one text. `metadata` has the `format` (see `DocumentFormat`), the `bytes` and
 * the time of the last change (`modified`, ISO 8601) of the file, and of PDF `pages` and `author`, of code its `language`, of
 * a record its number (`record`), `line` and fields. Rejects only when aborted or for bad options.
 */
export async function readDocuments(
  file: DocumentFile,
  options: ReadOptions = {},
): Promise<ReadResult> {
  const { maxFileBytes = defaultMaxFileBytes, signal } = options;
  if (!(maxFileBytes > 0)) {
    throw new InvalidArgumentError(`maxFileBytes must be more than 0, not ${maxFileBytes}.`);
  }
  signal?.throwIfAborted();
  const reading = new Reading(file, options);
  try {
    const { size } = await stat(file.path);
    if (size > maxFileBytes) {
      const limit = `the limit of ${megabytes(maxFileBytes)} MB`;
      return reading.skip('too-large', `it has ${megabytes(size)} MB, over ${limit}`);
    }
    return await reading.read(await readFile(file.path, { signal }));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof BadOptions) throw error.cause;
    if (error instanceof MissingPackageError) {
      return reading.skip('missing-package', error.message.replace(/\.$/, ''));
    }
    if (error instanceof InvalidArgumentError) return reading.skip('malformed', error.message);
    return reading.skip('unreadable', `it cannot be read (${codeOf(error)})`);
  }
}

/** What the caller gave is wrong, not the file. */
class BadOptions extends Error {}

class Reading {
  readonly #file: DocumentFile;
  readonly #options: ReadOptions;
  #problems = 0;

  constructor(file: DocumentFile, options: ReadOptions) {
    this.#file = file;
    this.#options = options;
  }

  async read(bytes: Uint8Array): Promise<ReadResult> {
    const { format, language } = kindOf(this.#file.path);
    const about = {
      bytes: bytes.length,
      modified: new Date(this.#file.modifiedMs).toISOString(),
    };
    if (bytes.length === 0) return this.skip('blank', 'it is empty');
    if (format === 'pdf') return this.#readPdf(bytes, about);
    const decoded = decodeText(bytes, { html: format === 'html' });
    if ('binary' in decoded) return this.skip('binary', decoded.binary);
    if (decoded.warning) this.#warn(decoded.warning);
    const { text } = decoded;
    const { signal, records = {} } = this.#options;
    if (!/\S/.test(text)) return this.skip('blank', 'there is no text in it');
    switch (format) {
      case 'html':
        return this.#one(format, about, await extractHtml(text, { signal }));
      case 'csv':
        return this.#fromRecords(format, about, this.#rows(text));
      case 'jsonl':
        return this.#fromRecords(format, about, this.#lines(text));
      case 'json': {
        const found = jsonRecords(text, records.list);
        return found ? this.#fromRecords(format, about, found) : this.#one(format, about, { text });
      }
      case 'code':
        return this.#one(format, { ...about, language }, { text });
      case 'markdown':
        return this.#one(format, about, { text, title: headingOf(text) });
      case 'text':
        return this.#one(format, about, { text });
    }
  }

  skip(reason: SkipReason, detail: string): ReadResult {
    return { skipped: { path: this.#file.path, reason, detail } };
  }

  #warn(detail: string): void {
    this.#options.onWarning?.({ path: this.#file.path, detail });
  }

  #one(
    format: DocumentFormat,
    about: Readonly<Record<string, unknown>>,
    {
      text,
      title,
      sections = [],
    }: Pick<Document, 'text' | 'sections'> & { readonly title?: string | undefined },
  ): ReadResult {
    if (!/\S/.test(text)) return this.skip('blank', 'there is no text in it');
    const { id, path } = this.#file;
    const metadata = { format, ...about };
    return {
      documents: [
        {
          id,
          text,
          ...(title && { title }),
          source: path,
          metadata,
          ...(sections.length > 0 && { sections }),
        },
      ],
    };
  }

  async #readPdf(bytes: Uint8Array, about: Readonly<Record<string, unknown>>): Promise<ReadResult> {
    const result = await extractPdf(bytes, this.#options);
    if ('problem' in result) return this.skip(result.problem, result.detail);
    const { pages, damaged, title, author, sections } = result.pdf;
    const blank = pages.filter((page) => page === '').length;
    if (blank === pages.length) {
      return this.skip('blank', 'no page of it has text; of scanned pages make text first (OCR)');
    }
    if (damaged.length > 0) this.#warn(`Damaged pages were left out: ${damaged.join(', ')}.`);
    if (blank > damaged.length) {
      this.#warn(`Of its ${pages.length} pages, ${blank - damaged.length} have no text.`);
    }
    const metadata = { ...about, pages: pages.length, ...(author && { author }) };
    return this.#one('pdf', metadata, { text: pdfText(result.pdf), title, sections });
  }

  async #fromRecords(
    format: DocumentFormat,
    about: Readonly<Record<string, unknown>>,
    records: Iterable<PlacedRecord> | AsyncIterable<PlacedRecord>,
  ): Promise<ReadResult> {
    const reader = this.#recordReader(format, about);
    const documents: Document[] = [];
    for await (const record of records) {
      this.#options.signal?.throwIfAborted();
      const document = reader.read(record);
      if (document) documents.push(document);
    }
    const more = this.#problems - toldProblems;
    if (more > 0) this.#warn(`${more} more of its records have such problems.`);
    const [first, ...rest] = documents;
    if (first) return { documents: [first, ...rest] };
    return this.#problems > 0
      ? this.skip('malformed', 'none of its records could be read')
      : this.skip('blank', 'there are no records in it');
  }

  #recordReader(format: DocumentFormat, about: Readonly<Record<string, unknown>>): RecordReader {
    const { records: options = {} } = this.#options;
    try {
      return new RecordReader({
        file: this.#file,
        format,
        about,
        options,
        onProblem: ({ at, detail }) => this.#problem(at, detail),
      });
    } catch (cause) {
      throw new BadOptions('records', { cause });
    }
  }

  #problem(at: string, detail: string): void {
    if (++this.#problems <= toldProblems) this.#warn(`${at}: ${detail}.`);
  }

  async *#rows(text: string): AsyncGenerator<PlacedRecord> {
    const isTabs = this.#file.path.toLowerCase().endsWith('.tsv');
    let number = 0;
    const rows = csvRows(text, {
      ...(isTabs && { delimiter: '\t' }),
      signal: this.#options.signal,
      onProblem: ({ line, detail }) => this.#problem(`line ${line}`, detail),
    });
    for await (const { fields, line } of rows) yield { record: fields, number: ++number, line };
  }

  #lines(text: string): Iterable<PlacedRecord> {
    return lineRecords(text, (line, detail) => this.#problem(`line ${line}`, detail));
  }
}

/** The first heading near the beginning of a Markdown text. */
function headingOf(text: string): string | undefined {
  for (const line of text.slice(0, 4096).split(/\r\n?|\n/)) {
    const heading = /^ {0,3}#{1,6}[ \t]+(\S.{0,200})/.exec(line)?.[1];
    if (heading) return heading.replace(/[ \t]+#*[ \t]*$/, '');
  }
  return undefined;
}

function megabytes(bytes: number): string {
  return (bytes / (1024 * 1024)).toLocaleString('en', { maximumFractionDigits: 2 });
}
