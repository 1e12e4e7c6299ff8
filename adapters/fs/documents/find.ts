import type { Dirent, Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { DocumentError, InvalidArgumentError } from '../../../lib/errors.js';
import { defaultExtensions } from './formats.js';
import { defaultIgnoreFiles, FileSelection, IgnoreRules, readPatterns } from './selection.js';
import type { DocumentFile, FindOptions, SkipReason } from './types.js';

/**
 * The files below `path` that may become documents, in a stable order: names by UTF-16 units, folders in
 * their place. Left out are hidden entries, `node_modules`, and what patterns exclude. A file that is named itself is
 * taken whatever its extension and whatever patterns say.
 *
 * @throws DocumentError when nothing is there, it cannot be read, or no file is asked for; InvalidArgumentError
 */
export async function statDocuments(
  path: string,
  options: FindOptions = {},
): Promise<DocumentFile[]> {
  if (path === '') throw new InvalidArgumentError('The path of the documents must not be empty.');
  const root = resolve(path);
  const selection = new FileSelection(options.include, options.exclude);
  const extensions = normaliseExtensions([
    ...(options.extensions ?? defaultExtensions),
    ...selection.extensions,
  ]);
  options.signal?.throwIfAborted();
  const stats = await statRoot(path, root);
  if (stats.isFile()) return [describe(basename(root), root, stats)];
  if (!stats.isDirectory()) throw new DocumentError(path, 'it is neither a file nor a folder.');
  const finder = new Finder(options, extensions, selection);
  await finder.findRoot(path, root);
  if (finder.found.length === 0) {
    throw new DocumentError(
      path,
      `there are no documents in this folder. Looked for ${listOf([...extensions])}.${excludedNote(finder.excluded)}`,
    );
  }
  return finder.found;
}

/** A line that a person reads to its end: kinds of text come first, the long tail is source code. */
function listOf(extensions: readonly string[]): string {
  const most = 15;
  if (extensions.length <= most) return extensions.join(', ');
  return `${extensions.slice(0, most).join(', ')} and ${extensions.length - most} other extensions`;
}

function excludedNote(count: number): string {
  if (count === 0) return '';
  return ` Patterns of include, exclude or ignore files left out ${count} file${count === 1 ? '' : 's'} and folders.`;
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
  /** Files and folders that patterns left out. */
  excluded = 0;
  readonly #options: FindOptions;
  readonly #extensions: ReadonlySet<string>;
  readonly #selection: FileSelection;
  readonly #ignoreFiles: readonly string[];
  /** Real paths of what was visited, so that links neither loop nor bring anything twice. */
  readonly #visited = new Set<string>();

  constructor(options: FindOptions, extensions: ReadonlySet<string>, selection: FileSelection) {
    this.#options = options;
    this.#extensions = extensions;
    this.#selection = selection;
    this.#ignoreFiles = options.ignoreFiles ?? defaultIgnoreFiles;
  }

  async findRoot(path: string, root: string): Promise<void> {
    if (this.#options.followLinks) this.#visited.add(await realpath(root));
    try {
      await this.#findIn(root, '', IgnoreRules.none);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      throw new DocumentError(path, `the folder cannot be read (${codeOf(error)}).`, {
        cause: error,
      });
    }
  }

  async #findIn(folder: string, prefix: string, outer: IgnoreRules): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const rules = await this.#rulesOf(folder, prefix, entries, outer);
    for (const entry of entries) {
      this.#options.signal?.throwIfAborted();
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      await this.#visit(entry, join(folder, entry.name), `${prefix}${entry.name}`, rules);
    }
  }

  async #rulesOf(
    folder: string,
    prefix: string,
    entries: readonly Dirent[],
    outer: IgnoreRules,
  ): Promise<IgnoreRules> {
    const patterns: string[] = [];
    for (const name of this.#ignoreFiles) {
      if (!entries.some((entry) => entry.name === name)) continue;
      const path = join(folder, name);
      try {
        patterns.push(await readPatterns(path));
      } catch (error) {
        this.#options.signal?.throwIfAborted();
        this.#skip(path, 'unreadable', `its patterns cannot be read (${codeOf(error)})`);
      }
    }
    return patterns.length > 0 ? outer.with(prefix, patterns) : outer;
  }

  async #visit(entry: Dirent, path: string, id: string, rules: IgnoreRules): Promise<void> {
    if (entry.isSymbolicLink() && !this.#options.followLinks) {
      this.#skip(path, 'link', 'it is a symbolic link; ask to follow links to read it');
      return;
    }
    try {
      const stats = await stat(path);
      if (stats.isDirectory()) {
        if (this.#isExcluded(path, this.#selection.folderProblem(id), rules.ignores(`${id}/`)))
          return;
        if (await this.#isNew(path)) await this.#findIn(path, `${id}/`, rules);
      } else if (!stats.isFile()) {
        this.#skip(path, 'special', 'it is no regular file');
      } else if (this.#isExcluded(path, this.#selection.fileProblem(id), rules.ignores(id))) {
        return;
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

  #isExcluded(path: string, problem: string | undefined, isIgnored: boolean): boolean {
    const detail = problem ?? (isIgnored ? 'a pattern of an ignore file fits it' : undefined);
    if (detail === undefined) return false;
    this.excluded++;
    this.#skip(path, 'excluded', detail);
    return true;
  }

  async #isNew(path: string): Promise<boolean> {
    if (!this.#options.followLinks) return true;
    const real = await realpath(path);
    if (this.#visited.has(real)) return false;
    this.#visited.add(real);
    return true;
  }

  #skip(path: string, reason: SkipReason, detail: string): void {
    this.#options.onSkip?.({ path, reason, detail });
  }
}
