import type { Language, Parser } from 'web-tree-sitter';
import type { CodeParser } from '../../lib/chunkers/code.js';
import { InvalidArgumentError, MissingPackageError } from '../../lib/errors.js';

export interface TreeSitterParserOptions {
  /**
   * The grammar as WebAssembly: a path, or the bytes. Packages such as `tree-sitter-javascript` hold one
   * (`tree-sitter-javascript.wasm`).
   */
  readonly grammar: string | Uint8Array;
  /** For names; default `tree-sitter`. */
  readonly name?: string;
}

/**
 * Parses programs with tree-sitter. Needs the package `web-tree-sitter`, which the first text loads.
 *
 * `parse` rejects with MissingPackageError where the package is not installed, and with InvalidArgumentError for a
 * grammar that cannot be loaded.
 */
export function treeSitterParser({
  grammar,
  name = 'tree-sitter',
}: TreeSitterParserOptions): CodeParser {
  let loading: Promise<{ readonly make: () => Parser; readonly language: Language }> | undefined;
  return {
    name,
    parse: async (text, read, signal) => {
      // A failure is not kept: the package or the file may be there next time.
      loading ??= load(grammar).catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      const { make, language } = await loading;
      signal?.throwIfAborted();
      const parser = make();
      try {
        parser.setLanguage(language);
        const tree = parser.parse(text, null, { progressCallback: () => signal?.aborted === true });
        signal?.throwIfAborted();
        if (!tree) throw new InvalidArgumentError('tree-sitter gave no tree for the text.');
        try {
          return read(tree.rootNode);
        } finally {
          tree.delete();
        }
      } finally {
        parser.delete();
      }
    },
  };
}

async function load(grammar: string | Uint8Array) {
  const { Language, Parser } = await loadPackage();
  await Parser.init();
  try {
    return { language: await Language.load(grammar), make: () => new Parser() };
  } catch (error) {
    const what = typeof grammar === 'string' ? `at ${grammar}` : `of ${grammar.length} bytes`;
    throw new InvalidArgumentError(
      `The grammar ${what} cannot be loaded: ${(error as Error).message}. Give the .wasm file of a grammar that was ` +
        'built for this version of web-tree-sitter.',
      { cause: error },
    );
  }
}

async function loadPackage(): Promise<typeof import('web-tree-sitter')> {
  try {
    return await import('web-tree-sitter');
  } catch (cause) {
    throw new MissingPackageError('web-tree-sitter', 'Cutting code with tree-sitter', { cause });
  }
}
