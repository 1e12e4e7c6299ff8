import { runSteps } from '../pace.js';
import type { Chunker } from './chunker.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { stage } from './stage.js';
import { cutStructured } from './structured.js';

export interface HtmlChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 400: tags count. */
  readonly maxTokens?: number;
  /** A chunk shorter than this many tokens is joined with text of its neighbour; default 0. */
  readonly minTokens?: number;
}

/**
 * Cuts the source of a page, tags included, at headings, the highest first, then at blocks, items of lists and rows of
 * tables; tables and `<pre>` stay whole where they fit. Metadata has the `headings` above each chunk. Broken HTML
 * is read as browsers do; beyond 2,000 elements inside each other only lines and sentences count. No text is lost.
 *
 * To cut what a reader sees, take the text that `extractHtml` of `chunkweave/fs` gives, and `markdownChunker`.
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function htmlChunker(options: HtmlChunkerOptions = {}): Chunker {
  const limits = checkedLimits({ minTokens: 0, ...options, maxTokens: options.maxTokens ?? 400 });
  const { maxTokens, minTokens } = limits;
  return {
    name: nameOf('html', [maxTokens, minTokens > 0 && `min ${minTokens}`]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      chunkOptions.signal?.throwIfAborted();
      // Loaded here: who never cuts HTML does without the parser.
      const { htmlStructure } = await import('./html/structure.js');
      const structure = await runSteps(htmlStructure(document.text), stage(chunkOptions, 0, 0.5));
      return runSteps(
        cutStructured(document, structure, limits, false),
        stage(chunkOptions, 0.5, 1),
      );
    },
  };
}
