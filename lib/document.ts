import type { TokenizedText } from './engine/tokenizer.js';

/** A text that passages are taken from. */
export interface Document {
  /** Unique in a weave, for example a path relative to the ingested folder. */
  readonly id: string;
  readonly text: string;
  /** Shown in citations; default the id. */
  readonly title?: string;
  /** Where the text came from, for example a file path or a URL. */
  readonly source?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /**
   * What each of its chunks has in its metadata, whatever the chunker says of the same names: for example fields that
   * filters go by, or the `line` of the file that a record stands on.
   */
  readonly chunkMetadata?: Readonly<Record<string, unknown>>;
  /**
   * Headings that the text does not show by itself, for example the bookmarks of a PDF, in the order of the text. They
   * become the `headings` of chunks that begin there and have none by their chunker.
   */
  readonly sections?: readonly DocumentSection[];
}

/** A part of a document, up to where the next one begins. */
export interface DocumentSection {
  /** In UTF-16 units. */
  readonly start: number;
  /** From the outermost to the section's own. */
  readonly headings: readonly string[];
}

/** A document with the token ids that everything later uses: text is never tokenised again. */
export interface TokenizedDocument extends Document {
  readonly tokens: TokenizedText;
}

/**
 * A passage: the span `[start, end)` of its document, in UTF-16 units, and exactly that text. Its borders
 * fall on token borders.
 */
export interface Chunk {
  /**
   * Names the passage for people and citations: document, content hash, ordinal among equal passages of the
   * document. It is not the key of the chunk's KV, which names a computation.
   */
  readonly id: string;
  readonly documentId: string;
  readonly start: number;
  readonly end: number;
  /** `document.text.slice(start, end)`. */
  readonly text: string;
  /** The document's token ids from `tokenStart` on. */
  readonly tokens: Int32Array;
  /** Number of the chunk's first token in its document. */
  readonly tokenStart: number;
  /** Headings, page, line numbers and the like. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}
