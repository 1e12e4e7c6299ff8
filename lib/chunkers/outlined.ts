import type { Chunk } from '../document.js';
import { runSteps } from '../pace.js';
import type { Chunker } from './chunker.js';
import { isMarkdown } from './formats.js';
import { checkTokens, checkedLimits, nameOf } from './limits.js';
import { plainStructure } from './plain/structure.js';
import { stage } from './stage.js';
import { cutStructured } from './structured.js';

export interface OutlinedChunkerOptions {
  /** Most tokens of a chunk, at least 4; default 250. */
  readonly maxTokens?: number;
  /**
   * A chunk shorter than this many tokens is joined with text of its neighbour where that fits; default a tenth of
   * `maxTokens`.
   */
  readonly minTokens?: number;
  /** Tokens that a chunk may repeat from the end of the one before it; default 0, at most half of `maxTokens`. */
  readonly overlapTokens?: number;
}

/**
 * Cuts text of no known format as {@link recursiveChunker} does, and tells each chunk what it is about: the `headings` in
 * its metadata, which retrievers search beside the text, begin with the document's `metadata.title`, where that is a
 * text, or else with a title on a line by itself, above a blank line, and go on with headings of Markdown (`#`) and wikis
 * (`= =`).
 *
 * @throws InvalidArgumentError for options out of range; `chunk()` rejects with it where more than `maxTokens` tokens
 * follow each other without a border between characters
 */
export function outlinedChunker(options: OutlinedChunkerOptions = {}): Chunker {
  const limits = checkedLimits({ ...options, maxTokens: options.maxTokens ?? 250 });
  const { maxTokens, overlapTokens } = limits;
  return {
    name: nameOf('outlined', [
      maxTokens,
      options.minTokens !== undefined && `min ${options.minTokens}`,
      overlapTokens > 0 && `overlap ${overlapTokens}`,
    ]),
    chunk: async (document, chunkOptions = {}) => {
      checkTokens(document);
      chunkOptions.signal?.throwIfAborted();
      const structure = await runSteps(plainStructure(document), stage(chunkOptions, 0, 0.4));
      const chunks = await runSteps(
        cutStructured(document, structure, limits, isMarkdown(document)),
        stage(chunkOptions, 0.4, 1),
      );
      const title = document.metadata?.['title'];
      return typeof title === 'string' && title.trim() !== ''
        ? chunks.map((chunk) => titled(chunk, title.trim()))
        : chunks;
    },
  };
}

function titled(chunk: Chunk, title: string): Chunk {
  const own = chunk.metadata?.['headings'];
  const headings = Array.isArray(own) ? own : [];
  if (headings[0] === title) return chunk;
  return { ...chunk, metadata: { ...chunk.metadata, headings: [title, ...headings] } };
}
