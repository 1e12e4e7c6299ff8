import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { DocumentError, InvalidArgumentError } from '../../../lib/errors.js';
import { defaultExtensions, type DocumentFile, type FindOptions } from './types.js';

/**
 * The files below `path` that may become documents, in a stable order: names by UTF-16 units, folders in
 * their place. Hidden entries and `node_modules` are left out. A file that is named itself is taken whatever
 * its extension.
 *
 * @throws DocumentError when nothing is there, it cannot be read, or no file has one of the extensions.
 */
export async function statDocuments(
  path: string,
  options: FindOptions = {},
): Promise<DocumentFile[]> {
  if (path === '') throw new InvalidArgumentError('The path of the documents must not be empty.');
  const root = resolve(path);
  const extensions = normaliseExtensions(options.extensions ?? defaultExtensions);
  options.signal?.throwIfAborted();
  const stats = await statRoot(path, root);
  if (stats.isFile()) return [describe(basename(root), root, stats)];
  if (!stats.isDirectory()) throw new DocumentError(path, 'it is neither a file nor a folder.');
  const finder = new Finder(options, extensions);
  await finder.findRoot(path, root);
  if (finder.found.length === 0) {
    throw new DocumentError(
      path,
      `there are no documents in this folder. Looked for ${[...extensions].join(', ')}.`,
    );
  }
  return finder.found;
}

async function statRoot(path: string, root: string): Promise<Stats> {
  try {
    return await stat(root);
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
    throw new DocumentError(
      path,
      missing ? 'there is no such file or folder.' : `it cannot be read (${codeOf(error)}).`,
      { cause: error },
    );
  }
}

function normaliseExtensions(extensions: readonly string[]): Set<string> {
  const normalised = extensions.map(
    (extension) => `.${extension.replace(/^\./, '').toLowerCase()}`,
  );
  if (normalised.length === 0 || normalised.includes('.')) {
    throw new InvalidArgumentError(
      'extensions must name at least one extension, and none may be empty.',
    );
  }
  return new Set(normalised);
}

function describe(id: string, path: string, stats: Stats): DocumentFile {
  const { size: bytes, mtimeMs: modifiedMs } = stats;
  return { id, path, bytes, modifiedMs, fingerprint: `${bytes}-${modifiedMs}` };
}

/** A system error's code, for example `EACCES`. */
export function codeOf(error: unknown): string {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : String(error);
}

class Finder {
  readonly found: DocumentFile[] = [];
  readonly #options: FindOptions;
  readonly #extensions: ReadonlySet<string>;
  /** Real paths of what was visited, so that links neither loop nor bring anything twice. */
  readonly #visited = new Set<string>();

  constructor(options: FindOptions, extensions: ReadonlySet<string>) {
    this.#options = options;
    this.#extensions = extensions;
  }

  async findRoot(path: string, root: string): Promise<void> {
    if (this.#options.followLinks) this.#visited.add(await realpath(root));
    try {
      await this.#findIn(root, '');
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw new DocumentError(path, `the folder cannot be read (${codeOf(error)}).`, {
        cause: error,
      });
    }
  }

  async #findIn(folder: string, prefix: string): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      this.#options.signal?.throwIfAborted();
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      await this.#visit(entry, join(folder, entry.name), `${prefix}${entry.name}`);
    }
  }

  async #visit(entry: Dirent, path: string, id: string): Promise<void> {
    if (entry.isSymbolicLink() && !this.#options.followLinks) {
      this.#skip(path, 'link', 'it is a symbolic link; ask to follow links to read it');
      return;
    }
    try {
      const stats = await stat(path);
      if (stats.isDirectory()) {
        if (await this.#isNew(path)) await this.#findIn(path, `${id}/`);
      } else if (!stats.isFile()) {
        this.#skip(path, 'special', 'it is no regular file');
      } else if (!this.#extensions.has(extname(path).toLowerCase())) {
        const extension = extname(path);
        this.#skip(
          path,
          'extension',
          extension ? `${extension} files are not read` : 'it has no extension',
        );
      } else if (await this.#isNew(path)) {
        this.found.push(describe(id, path, stats));
      }
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      this.#skip(path, 'unreadable', `it cannot be read (${codeOf(error)})`);
    }
  }

  async #isNew(path: string): Promise<boolean> {
    if (!this.#options.followLinks) return true;
    const real = await realpath(path);
    if (this.#visited.has(real)) return false;
    this.#visited.add(real);
    return true;
  }

  #skip(
    path: string,
    reason: 'link' | 'special' | 'extension' | 'unreadable',
    detail: string,
  ): void {
    this.#options.onSkip?.({ path, reason, detail });
  }
}
