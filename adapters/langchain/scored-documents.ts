import { Document, type DocumentInterface } from '@langchain/core/documents';
import { approximateTokens } from '../../lib/chunkers/approximate-tokens.js';
import { contentHash } from '../../lib/chunkers/chunk-id.js';
import type { Chunk } from '../../lib/document.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { ScoredChunk } from '../../lib/retrieve/retriever.js';

/** What is told of a passage in the metadata of its document. */
export interface FoundMetadata {
  /** Higher is better; comparable only within one search. */
  readonly score: number;
  readonly documentId: string;
  /** Span in the document's text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
}

/** A passage as a LangChain document, with what the chunker says of it, its score and its place. */
export function foundDocument({ chunk, score }: ScoredChunk): Document {
  const { id, text, documentId, start, end, metadata } = chunk;
  const found: FoundMetadata = { score, documentId, start, end };
  return new Document({ id, pageContent: text, metadata: { ...metadata, ...found } });
}

/**
 * LangChain documents as candidates, best first. Those without an id get one of their text. The score is
 * `metadata.score`, where all have one, else falls with the place.
 *
 * @throws InvalidArgumentError for two documents with one id.
 */
export async function candidatesOf(
  documents: readonly DocumentInterface[],
  tokenizer: Tokenizer | undefined,
): Promise<{ readonly candidates: ScoredChunk[]; of(chunkId: string): DocumentInterface }> {
  const byId = new Map<string, DocumentInterface>();
  const scored = documents.every(({ metadata }) => Number.isFinite(metadata['score']));
  const candidates: ScoredChunk[] = [];
  for (const [i, document] of documents.entries()) {
    const { pageContent: text, metadata } = document;
    // A text that came twice without ids is the same passage.
    const id = document.id ?? `text-${contentHash(text)}`;
    if (text.trim() === '' || (document.id === undefined && byId.has(id))) continue;
    if (byId.has(id)) {
      throw new InvalidArgumentError(
        `Two documents have the id "${id}". Give each its own id, or none.`,
      );
    }
    byId.set(id, document);
    const tokens = tokenizer
      ? (await tokenizer.encode(text)).ids
      : (await approximateTokens({ id, text })).tokens.ids;
    const chunk: Chunk = { ...placeOf(document, id), id, text, tokens, tokenStart: 0, metadata };
    candidates.push({ chunk, score: scored ? metadata['score'] : 1 - i / documents.length });
  }
  return { candidates, of: (id) => byId.get(id) as DocumentInterface };
}

/** Where a passage of one of our retrievers stands; another document is its own. */
function placeOf({ pageContent, metadata }: DocumentInterface, id: string) {
  const { documentId, start, end } = metadata as Partial<FoundMetadata>;
  if (typeof documentId === 'string' && Number.isInteger(start) && Number.isInteger(end)) {
    return { documentId, start: start as number, end: end as number };
  }
  return { documentId: id, start: 0, end: pageContent.length };
}
