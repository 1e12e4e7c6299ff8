import type { Chunk, TokenizedDocument } from '../document.js';
import { part, runSteps, type Steps } from '../pace.js';
import { NEWLINE, classBefore } from './characters.js';
import type { Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf, type Limits } from './limits.js';
import { Outline } from './outline.js';
import { stage } from './stage.js';
import { cutStructured, type Structure } from './structured.js';

/** A part of a program as a parser sees it; the nodes of `web-tree-sitter` are such. */
export interface SyntaxNode {
  readonly type: string;
  /** Where it begins and ends, in UTF-16 units. */
  readonly startIndex: number;
  readonly endIndex: number;
  /** Named by the grammar, not a sign or a keyword. In the order of the text. */
  readonly namedChildren: readonly (SyntaxNode | null)[];
}

/** Parses programs of one language; `treeSitterParser` of `chunkweave/tree-sitter` is one. */
export interface CodeParser {
  /** For names, for example `tree-sitter javascript`. */
  readonly name: string;
  /**
   * Calls `read` with the root of the text's tree, which is good only until `read` returns. A text with errors has a
   * tree too.
   */
  parse<T>(text: string, read: (root: SyntaxNode) => T, signal?: AbortSignal): Promise<T>;
}

export interface CodeChunkerOptions {
  readonly parser: CodeParser;
  /** Most tokens of a chunk, at least 4; default 250. */
  readonly maxTokens?: number;
  /** A chunk shorter than this many tokens is joined with text of its neighbour; default a tenth of `maxTokens`. */
  readonly minTokens?: number;
}

/** Levels of nesting that are told apart; deeper ones count like the last. */
const LEVELS = 8;
/** Nodes that have a name worth showing: what they begin with stands above the chunks inside. */
const scopes =
  /class|interface|struct|trait|impl|enum|module|namespace|object_d|function|method|constructor|procedure/;
const longestScope = 120;
/** Deeper, a tree is that of a broken or a generated text. */
const maxDepth = 500;

/**
 * Cuts a program between its declarations, the outermost first, then between their members and statements, then at
 * lines. A comment stays with what it stands before. Metadata has as `headings` the first lines of the classes and
 * functions that a chunk is in.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with what the parser rejects with
 */
export function codeChunker(options: CodeChunkerOptions): Chunker {
  const { parser } = options;
  const limits = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 250 });
  return {
    name: nameOf('code', [limits.maxTokens, parser.name]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      const { signal } = chunkOptions;
      signal?.throwIfAborted();
      const structure = await parser.parse(
        document.text,
        (root) => structureOf(document.text, root),
        signal,
      );
      return runSteps(cut(document, structure, limits), stage(chunkOptions, 0, 1));
    },
  };
}

function* cut(document: TokenizedDocument, structure: Structure, limits: Limits): Steps<Chunk[]> {
  return yield* part(cutStructured(document, structure, limits, false), 0, 1);
}

function structureOf(text: string, root: SyntaxNode): Structure {
  const outline = new Outline();
  const found: { readonly at: number; readonly level: number }[] = [];
  const walk = (node: SyntaxNode, level: number, depth: number, scope: number) => {
    let comment = -1;
    for (const child of node.namedChildren) {
      if (!child || child.endIndex <= child.startIndex) continue;
      const at = lineStart(text, child.startIndex);
      const isLine = at >= 0;
      const isComment = child.type.includes('comment');
      // What follows a comment directly begins with it.
      if (isLine && comment < 0) found.push({ at, level: Math.min(level, LEVELS - 1) });
      comment = isComment && isLine ? at : -1;
      let inner = scope;
      if (isLine && scopes.test(child.type) && child.endIndex > lineEnd(text, child.startIndex)) {
        inner = scope + 1;
        const title = text.slice(child.startIndex, lineEnd(text, child.startIndex)).trim();
        outline.add(child.startIndex, inner, title.slice(0, longestScope));
      }
      // A node that only wraps others, such as a body, makes no level of its own.
      if (depth < maxDepth) walk(child, isLine ? level + 1 : level, depth + 1, inner);
      // What comes behind it is in it no longer.
      if (inner > scope) outline.add(child.endIndex, inner, '');
    }
  };
  walk(root, 0, 0, 0);
  found.sort((a, b) => a.at - b.at || a.level - b.level);
  return { marks: found.flatMap(({ at, level }) => [at, level]), levels: LEVELS, outline };
}

/** The beginning of the line that `index` is the first visible place of, or -1. */
function lineStart(text: string, index: number): number {
  let start = index;
  while (
    start > 0 &&
    (text.charCodeAt(start - 1) === 0x20 || text.charCodeAt(start - 1) === 0x09)
  ) {
    start--;
  }
  return start === 0 || classBefore(text, start) === NEWLINE ? start : -1;
}

function lineEnd(text: string, index: number): number {
  const end = text.indexOf('\n', index);
  return end < 0 ? text.length : end;
}
