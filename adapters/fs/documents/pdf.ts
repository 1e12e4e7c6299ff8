import { MissingPackageError } from '../../../lib/errors.js';

/** What a PDF says; each page its text, `''` where it has none. */
export interface ExtractedPdf {
  readonly pages: readonly string[];
  readonly title?: string;
  readonly author?: string;
  /** Numbers of pages that could not be read. */
  readonly damaged: readonly number[];
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
  destroy(): Promise<void>;
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
  return { pages, damaged, ...(title && { title }), ...(author && { author }) };
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
