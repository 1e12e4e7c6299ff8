import type { Document } from '../../../lib/document.js';
import { DocumentError } from '../../../lib/errors.js';
import { statDocuments } from './find.js';
import { readDocuments } from './read.js';
import type { DocumentWarning, LoadOptions, SkippedFile } from './types.js';

/**
 * Reads the documents of a folder, or of one file, one after the other in a stable order; `readDocuments` says what becomes
 * of each kind of file. A file that gives no document is reported to `onSkip`, and the rest goes on.
 *
 * @throws DocumentError when nothing is there, no file is asked for, or none could be read; InvalidArgumentError
 */
export async function* loadDocuments(
  path: string,
  options: LoadOptions = {},
): AsyncGenerator<Document, void, void> {
  const files = await statDocuments(path, options);
  const bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let bytesDone = 0;
  let loaded = 0;
  let lastSkipped: SkippedFile | undefined;
  for (const [i, file] of files.entries()) {
    const { documents, skipped } = await readDocuments(file, options);
    bytesDone += file.bytes;
    if (skipped) {
      lastSkipped = skipped;
      options.onSkip?.(skipped);
    }
    options.onProgress?.({ filesDone: i + 1, filesTotal: files.length, bytesDone, bytesTotal });
    for (const document of documents ?? []) {
      options.signal?.throwIfAborted();
      loaded++;
      yield document;
    }
  }
  if (loaded === 0 && lastSkipped) {
    throw new DocumentError(
      path,
      files.length === 1
        ? `${lastSkipped.detail}.`
        : `none of its ${files.length} documents could be read; the last, ${lastSkipped.path}: ${lastSkipped.detail}.`,
    );
  }
}

/** Documents of a folder, and what of its files is not among them. */
export interface LoadedDocuments {
  readonly documents: Document[];
  readonly skipped: SkippedFile[];
  readonly warnings: DocumentWarning[];
}

/** {@link loadDocuments} at once, with what was skipped and what was read only in part. */
export async function loadAllDocuments(
  path: string,
  options: LoadOptions = {},
): Promise<LoadedDocuments> {
  const documents: Document[] = [];
  const skipped: SkippedFile[] = [];
  const warnings: DocumentWarning[] = [];
  const collecting: LoadOptions = {
    ...options,
    onSkip: (file) => {
      skipped.push(file);
      options.onSkip?.(file);
    },
    onWarning: (warning) => {
      warnings.push(warning);
      options.onWarning?.(warning);
    },
  };
  for await (const document of loadDocuments(path, collecting)) documents.push(document);
  return { documents, skipped, warnings };
}
