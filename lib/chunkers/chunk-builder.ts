import type { Chunk, TokenizedDocument } from '../document.js';
import { ChunkIds } from './chunk-id.js';

/** Turns runs of a document's tokens into {@link Chunk}s. One builder a document; call in document order. */
export class ChunkBuilder {
  readonly #document: TokenizedDocument;
  readonly #ids: ChunkIds;

  constructor(document: TokenizedDocument) {
    this.#document = document;
    this.#ids = new ChunkIds(document.id);
  }

  /** The chunk of the tokens `[tokenStart, tokenEnd)`; both must be borders, that is `starts[i] >= 0`. */
  build(tokenStart: number, tokenEnd: number, metadata?: Chunk['metadata']): Chunk {
    const { id, text, tokens } = this.#document;
    const start = tokens.starts[tokenStart] ?? -1;
    const end = tokens.starts[tokenEnd] ?? -1;
    const passage = text.slice(start, end);
    return {
      id: this.#ids.next(passage),
      documentId: id,
      start,
      end,
      text: passage,
      tokens: tokens.ids.slice(tokenStart, tokenEnd),
      tokenStart,
      ...(metadata && { metadata }),
    };
  }
}
