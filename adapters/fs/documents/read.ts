import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Document } from '../../../lib/document.js';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { decodeText } from './decode.js';
import { codeOf } from './find.js';
import { extractHtml } from './html.js';
import {
  defaultMaxFileBytes,
  type DocumentFile,
  type ReadOptions,
  type SkippedFile,
  type SkipReason,
} from './types.js';

/** A document, or why the file gives none. */
export type ReadResult =
  | { readonly document: Document; readonly skipped?: undefined }
  | { readonly document?: undefined; readonly skipped: SkippedFile };

/**
 * Reads one file. Markdown and plain text stay as they are; of HTML, the document's text is the visible text
 * that `extractHtml` gives. `metadata` has the `format` (`markdown`, `html` or `text`), the `bytes` and
 * the time of the last change (`modified`, ISO 8601). Rejects only when aborted or for bad options.
 */
export async function readDocument(
  file: DocumentFile,
  options: ReadOptions = {},
): Promise<ReadResult> {
  const { maxFileBytes = defaultMaxFileBytes, signal, onWarning } = options;
  if (!(maxFileBytes > 0)) {
    throw new InvalidArgumentError(`maxFileBytes must be more than 0, not ${maxFileBytes}.`);
  }
  signal?.throwIfAborted();
  let result: ReadResult & { readonly warning?: string };
  try {
    result = await read(file, maxFileBytes, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const problem =
      error instanceof InvalidArgumentError
        ? error.message
        : `it cannot be read (${codeOf(error)})`;
    return skip(file, 'unreadable', problem);
  }
  const { warning, ...rest } = result;
  if (warning) onWarning?.({ path: file.path, detail: warning });
  return rest;
}

async function read(
  file: DocumentFile,
  maxFileBytes: number,
  signal: AbortSignal | undefined,
): Promise<ReadResult & { readonly warning?: string }> {
  const { size } = await stat(file.path);
  if (size > maxFileBytes) {
    const limit = `the limit of ${megabytes(maxFileBytes)} MB`;
    return skip(file, 'too-large', `it has ${megabytes(size)} MB, over ${limit}`);
  }
  const bytes = await readFile(file.path, { signal });
  const format = formatOf(file.path);
  const decoded = decodeText(bytes, { html: format === 'html' });
  if ('binary' in decoded) return skip(file, 'binary', decoded.binary);
  const { text, title } = await extract(decoded.text, format, signal);
  if (!/\S/.test(text)) return skip(file, 'blank', 'there is no text in it');
  const modified = new Date(file.modifiedMs).toISOString();
  const metadata = { format, bytes: bytes.length, modified };
  return {
    document: { id: file.id, text, ...(title && { title }), source: file.path, metadata },
    ...(decoded.warning && { warning: decoded.warning }),
  };
}

function skip(file: DocumentFile, reason: SkipReason, detail: string): ReadResult {
  return { skipped: { path: file.path, reason, detail } };
}

type Format = 'markdown' | 'html' | 'text';

async function extract(
  text: string,
  format: Format,
  signal: AbortSignal | undefined,
): Promise<{ readonly text: string; readonly title?: string | undefined }> {
  if (format === 'html') return extractHtml(text, { signal });
  return { text, title: format === 'markdown' ? headingOf(text) : undefined };
}

function formatOf(path: string): Format {
  const extension = extname(path).toLowerCase();
  if (['.md', '.markdown', '.mdx'].includes(extension)) return 'markdown';
  return ['.html', '.htm', '.xhtml'].includes(extension) ? 'html' : 'text';
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
