import type { DocumentSection } from '../../../lib/document.js';
import { MissingPackageError } from '../../../lib/errors.js';

/** What a PDF says; each page its text, `''` where it has none. */
export interface ExtractedPdf {
  readonly pages: readonly string[];
  readonly title?: string;
  readonly author?: string;
  /** Numbers of pages that could not be read. */
  readonly damaged: readonly number[];
  /** Where bookmarks lead in the text of all pages ({@link pdfText}). */
  readonly sections: readonly DocumentSection[];
}

/** Stands between pages: chunkers count form feeds. */
const pageBreak = '\n\n\f';

/** The text of all pages. */
export function pdfText({ pages }: ExtractedPdf): string {
  return pages.join(pageBreak);
}

export type PdfResult =
  | { readonly pdf: ExtractedPdf }
  | { readonly problem: 'malformed' | 'encrypted'; readonly detail: string };

/** The part of the package `unpdf` that is used: PDF.js without what draws. */
interface PdfPackage {
  getDocumentProxy(data: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<PdfFile>;
}

interface PdfFile {
  readonly numPages: number;
  getPage(number: number): Promise<PdfPage>;
  getMetadata(): Promise<{ readonly info: object }>;
  getOutline(): Promise<readonly PdfBookmark[] | null>;
  getDestination(name: string): Promise<unknown>;
  getPageIndex(reference: object): Promise<number>;
  destroy(): Promise<void>;
}

interface PdfBookmark {
  readonly title: string;
  /** A name, or a list that begins with a page's reference or index. */
  readonly dest: unknown;
  readonly items: readonly PdfBookmark[];
}

interface PdfPage {
  getTextContent(): Promise<{ readonly items: readonly object[] }>;
  cleanup(): unknown;
}

/** A run of text; its place is `transform[4], transform[5]`, in points from the lower left corner. */
interface PdfText {
  readonly str: string;
  readonly transform: readonly number[];
  readonly hasEOL: boolean;
}

/** Text farther below the line before than this many times its height begins a paragraph. */
const paragraphGap = 1.8;

/**
 * The text of a PDF's pages, in the order in which the file has it. Lines stay lines; a gap between them becomes a blank
 * line.
 *
 * @throws MissingPackageError without `unpdf`, and the signal's reason
 */
export async function extractPdf(
  bytes: Uint8Array,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<PdfResult> {
  if (!hasHeader(bytes)) return { problem: 'malformed', detail: 'it is no PDF' };
  const { getDocumentProxy } = await loadPackage();
  let file: PdfFile;
  try {
    // The package keeps what it is given; a Buffer may be a view on more than this file.
    file = await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
    return name === 'PasswordException'
      ? { problem: 'encrypted', detail: 'it is encrypted, and opens with a password only' }
      : { problem: 'malformed', detail: `the PDF is damaged (${message})` };
  }
  try {
    return { pdf: await readPages(file, signal) };
  } finally {
    await file.destroy();
  }
}

/** Readers take a PDF whose header is within its first kilobyte. */
function hasHeader(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(0, 1024)).includes('%PDF-');
}

async function loadPackage(): Promise<PdfPackage> {
  try {
    return (await import('unpdf')) as unknown as PdfPackage;
  } catch (cause) {
    throw new MissingPackageError('unpdf', 'Reading PDF files', { cause });
  }
}

async function readPages(file: PdfFile, signal: AbortSignal | undefined): Promise<ExtractedPdf> {
  const pages: string[] = [];
  const damaged: number[] = [];
  for (let number = 1; number <= file.numPages; number++) {
    signal?.throwIfAborted();
    try {
      const page = await file.getPage(number);
      pages.push(textOf((await page.getTextContent()).items));
      page.cleanup();
    } catch {
      pages.push('');
      damaged.push(number);
    }
  }
  const info = await file.getMetadata().then(
    (metadata) => metadata.info,
    () => ({}),
  );
  const [title, author] = ['Title', 'Author'].map((name) => {
    const value: unknown = Reflect.get(info, name);
    return typeof value === 'string' ? value.replace(/\s+/g, ' ').trim() : '';
  });
  const sections = await readSections(file, pages, signal);
  return { pages, damaged, sections, ...(title && { title }), ...(author && { author }) };
}

/** Bookmarks that are followed; of a file with more, the first. */
const maxBookmarks = 5000;

/** Where bookmarks lead: to their words on the page, or to its beginning. One that leads nowhere is passed over. */
async function readSections(
  file: PdfFile,
  pages: readonly string[],
  signal: AbortSignal | undefined,
): Promise<DocumentSection[]> {
  const starts: number[] = [];
  let length = 0;
  for (const page of pages) {
    starts.push(length);
    length += page.length + pageBreak.length;
  }
  const outline = await file.getOutline().catch(() => null);
  const sections: DocumentSection[] = [];
  for (const { path, dest } of bookmarksIn(outline ?? [])) {
    signal?.throwIfAborted();
    if (sections.length >= maxBookmarks) break;
    const page = await pageOf(file, dest).catch(() => undefined);
    const [text, start] = page === undefined ? [] : [pages[page], starts[page]];
    if (text === undefined || start === undefined) continue;
    const from = Math.max(0, (sections.at(-1)?.start ?? 0) - start);
    const found = wordsAt(text.slice(from), path.at(-1) ?? '');
    sections.push({ start: start + (found < 0 ? 0 : from + found), headings: path });
  }
  return sections.sort((a, b) => a.start - b.start);
}

/** Bookmarks with the titles above them, in the order in which a reader shows them. */
function* bookmarksIn(
  bookmarks: readonly PdfBookmark[],
  above: readonly string[] = [],
): Generator<{ readonly path: readonly string[]; readonly dest: unknown }> {
  for (const { title, dest, items } of bookmarks) {
    const name = title.replace(/\s+/g, ' ').trim().slice(0, 200);
    const path = name === '' ? above : [...above, name];
    if (name !== '') yield { path, dest };
    // Deeper ones are those of a broken file.
    if (above.length < 16) yield* bookmarksIn(items, path);
  }
}

async function pageOf(file: PdfFile, dest: unknown): Promise<number | undefined> {
  const place = typeof dest === 'string' ? await file.getDestination(dest) : dest;
  const page: unknown = Array.isArray(place) ? place[0] : undefined;
  if (typeof page === 'number') return page;
  return typeof page === 'object' && page !== null ? file.getPageIndex(page) : undefined;
}

/** Where some words stand in a text, whatever white space is between them; -1 for nowhere. */
function wordsAt(text: string, words: string): number {
  const escaped = words
    .split(' ')
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return text.search(new RegExp(escaped.join(String.raw`\s+`), 'u'));
}

function textOf(items: readonly object[]): string {
  let text = '';
  let last: { readonly y: number; readonly size: number } | undefined;
  for (const item of items) {
    if (!isText(item)) continue;
    const { str, transform, hasEOL } = item;
    if (/\S/.test(str)) {
      const place = {
        y: transform[5] ?? 0,
        size: Math.hypot(transform[2] ?? 0, transform[3] ?? 0),
      };
      const gap = last ? Math.abs(last.y - place.y) : 0;
      if (text.endsWith('\n') && gap > paragraphGap * Math.max(place.size, last?.size ?? 0)) {
        text += '\n';
      }
      last = place;
    }
    // A form feed stands between pages, nowhere else.
    text += str.replaceAll('\f', ' ') + (hasEOL ? '\n' : '');
  }
  return text.replace(/[ \t]+\n/g, '\n').trim();
}

/** Marks of a file's structure are among the texts. */
function isText(item: object): item is PdfText {
  return 'str' in item;
}
