import { runSteps } from '../pace.js';
import type { Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { stage } from './stage.js';
import { cutStructured } from './structured.js';

export interface MarkdownChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 250. */
  readonly maxTokens?: number;
  /**
   * A chunk shorter than this many tokens is joined with text of its neighbour, which may cut a table or code; default 0.
   */
  readonly minTokens?: number;
}

/**
 * Cuts Markdown (CommonMark and GitHub's tables) at headings, the highest first, then between blocks and between items of
 * lists. Tables and blocks of code stay whole where they fit, and are cut between rows or lines where they
 * do not. Metadata has the `headings` above each chunk, underlined ones included. Broken Markdown is read as
 * CommonMark says; where lists or quotes are nested more than 100 deep, only lines and sentences count. No text is lost.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function markdownChunker(options: MarkdownChunkerOptions = {}): Chunker {
  const limits = checkedLimits({ minTokens: 0, ...options, maxTokens: options.maxTokens ?? 250 });
  const { maxTokens, minTokens } = limits;
  return {
    name: nameOf('markdown', [maxTokens, minTokens > 0 && `min ${minTokens}`]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      chunkOptions.signal?.throwIfAborted();
      // Loaded here: who never cuts Markdown does without the parser.
      const { markdownStructure } = await import('./markdown/structure.js');
      const structure = await runSteps(
        markdownStructure(document.text),
        stage(chunkOptions, 0, 0.5),
      );
      return runSteps(
        cutStructured(document, structure, limits, true),
        stage(chunkOptions, 0.5, 1),
      );
    },
  };
}
