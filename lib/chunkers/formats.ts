import type { Document } from '../document.js';

/** Whether headings and fences of Markdown count: yes, unless `document.metadata.format` is `text`. */
export function isMarkdown({ metadata }: Document): boolean {
  return metadata?.['format'] !== 'text';
}
