import { readFile, stat } from 'node:fs/promises';
import ignore, { type Ignore } from 'ignore';
import { InvalidArgumentError } from '../../../lib/errors.js';

/** Files whose patterns say what of their folder is left out, as `.gitignore` does. */
export const defaultIgnoreFiles: readonly string[] = ['.gitignore', '.chunkweaveignore'];

/** Written by programs for programs. */
const machineMade = ['package-lock.json', 'npm-shrinkwrap.json', '*.min.js', '*.min.mjs'];

/** A list of patterns that is longer was not written by people. */
const maxIgnoreBytes = 1 << 20;

/** Which files a caller asked for. Patterns are those of `.gitignore`, from the folder that is read. */
export class FileSelection {
  readonly #include: Ignore | undefined;
  readonly #exclude: Ignore;
  readonly #machineMade = ignore().add(machineMade);
  /** Extensions that the patterns name, for example `.log` of `*.log`: whoever asks for them wants them read. */
  readonly extensions: readonly string[];

  constructor(include: readonly string[] = [], exclude: readonly string[] = []) {
    this.#include = include.length > 0 ? matcherOf('include', include) : undefined;
    this.#exclude = matcherOf('exclude', exclude);
    this.extensions = include.flatMap((pattern) => /(\.\w+)$/.exec(pattern)?.[1] ?? []);
  }

  /** Why a file is left out, or undefined. */
  fileProblem(id: string): string | undefined {
    if (this.#exclude.ignores(id)) return 'a pattern of exclude fits it';
    if (this.#include) {
      return this.#include.ignores(id) ? undefined : 'no pattern of include fits it';
    }
    return this.#machineMade.ignores(id) ? 'it was written by a program' : undefined;
  }

  folderProblem(id: string): string | undefined {
    return this.#exclude.ignores(`${id}/`) ? 'a pattern of exclude fits it' : undefined;
  }
}

function matcherOf(name: string, patterns: readonly string[]): Ignore {
  if (!patterns.every((pattern) => typeof pattern === 'string' && pattern.trim() !== '')) {
    throw new InvalidArgumentError(
      `${name} must be patterns as in .gitignore, none of them empty.`,
    );
  }
  return ignore().add(patterns);
}

/** What ignore files say, those of a folder after those of the folders around it. */
export class IgnoreRules {
  static readonly none = new IgnoreRules(undefined, '', undefined);

  readonly #outer: IgnoreRules | undefined;
  readonly #prefix: string;
  readonly #matcher: Ignore | undefined;

  private constructor(outer: IgnoreRules | undefined, prefix: string, matcher: Ignore | undefined) {
    this.#outer = outer;
    this.#prefix = prefix;
    this.#matcher = matcher;
  }

  /** With the patterns of files in the folder `prefix` (`''` or `a/b/`), those that come later going before. */
  with(prefix: string, patterns: readonly string[]): IgnoreRules {
    return new IgnoreRules(this, prefix, ignore().add(patterns.join('\n')));
  }

  /**
   * Whether they leave out a file, or a folder, whose id then ends in `/`: the last pattern that fits decides. What a
   * folder's files say of one inside it stands, whatever the files of folders between say of it.
   */
  ignores(id: string): boolean {
    const { ignored, unignored } = this.#matcher?.test(id.slice(this.#prefix.length)) ?? {};
    if (ignored || unignored) return ignored === true;
    return this.#outer?.ignores(id) ?? false;
  }
}

/** The patterns of an ignore file. @throws of `node:fs`, or an Error for a file that cannot be one */
export async function readPatterns(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > maxIgnoreBytes) throw new Error('it is too large for a list of patterns');
  return (await readFile(path, 'utf8')).replace(/^\ufeff/, '');
}
