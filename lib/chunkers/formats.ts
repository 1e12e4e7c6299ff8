import type { Document } from '../document.js';

/** Formats, as `document.metadata.format` names them, in which `#` and fences mean nothing. */
const plain: ReadonlySet<unknown> = new Set(['text', 'code', 'pdf', 'csv', 'json', 'jsonl']);

/** Whether headings and fences of Markdown count: yes, unless `document.metadata.format` is one without them. */
export function isMarkdown({ metadata }: Document): boolean {
  return !plain.has(metadata?.['format']);
}

/** Whether lines of the text are lines of what people see: not those of a PDF. */
export function hasLines({ metadata }: Document): boolean {
  return metadata?.['format'] !== 'pdf';
}
