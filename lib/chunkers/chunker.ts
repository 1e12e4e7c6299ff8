import type { Chunk, TokenizedDocument } from '../document.js';

/** Cuts documents into passages. Same document, same chunks. */
export interface Chunker {
  /** Short name with the settings that matter, for example `recursive(250)`. */
  readonly name: string;
  /**
   * Chunks in order, none empty, none longer than the limit, together covering every non-blank character.
   */
  chunk(document: TokenizedDocument, options?: ChunkOptions): Promise<Chunk[]>;
}

export interface ChunkOptions {
  readonly signal?: AbortSignal;
  /** Share of the document that is done, in [0, 1]. */
  readonly onProgress?: (share: number) => void;
}
