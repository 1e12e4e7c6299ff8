import type { DocumentInterface } from '@langchain/core/documents';
import { approximateTokens } from '../../lib/chunkers/approximate-tokens.js';
import type { Chunker } from '../../lib/chunkers/chunker.js';
import { chunkDocument, tokenizeDocument } from '../../lib/chunk-document.js';
import type { Chunk } from '../../lib/document.js';
import type { Tokenizer } from '../../lib/engine/tokenizer.js';
import { InvalidArgumentError } from '../../lib/errors.js';

export interface ChunksOfOptions {
  readonly chunker: Chunker;
  /** Default an approximation by words. */
  readonly tokenizer: Tokenizer | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Passages of documents, each with the metadata of its document beside the chunker's.
 * @throws InvalidArgumentError for a document without an id, or with one that another has.
 */
export async function chunksOf(
  documents: readonly DocumentInterface[],
  { chunker, tokenizer, signal }: ChunksOfOptions,
): Promise<Chunk[]> {
  const signalled = signal ? { signal } : {};
  const seen = new Set<string>();
  const all: Chunk[] = [];
  for (const { id, pageContent, metadata } of documents) {
    signal?.throwIfAborted();
    if (id === undefined || id === '' || seen.has(id)) {
      throw new InvalidArgumentError(
        id === undefined || id === ''
          ? 'A document has no id. Passages are found again, and replaced, by the id of their document: give each one.'
          : `Two documents have the id "${id}". Give each its own.`,
      );
    }
    seen.add(id);
    const given = { id, text: pageContent, metadata };
    const tokenized = tokenizer
      ? await tokenizeDocument(given, tokenizer, signalled)
      : await approximateTokens(given, signalled);
    const chunks = await chunkDocument(tokenized, { chunker, ...signalled });
    for (const chunk of chunks) {
      all.push({ ...chunk, metadata: { ...chunk.metadata, ...metadata } });
    }
  }
  return all;
}
