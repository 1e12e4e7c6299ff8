import { chunkDocument } from '../chunk-document.js';
import type { Chunk, Document } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { WeaveKit } from './kit.js';
import type { IngestProgress } from './options.js';

/** Chunks given to the retriever at once: an abort is noticed between two slices. */
const sliceChunks = 256;

export interface Indexed {
  readonly ids: readonly string[];
  readonly chunks: number;
  readonly tokens: number;
  readonly replaced: readonly string[];
  readonly empty: readonly string[];
  readonly milliseconds: number;
}

/**
 * Cuts documents into passages and indexes them, one after another. Each is taken whole or not at all;
 * those before an abort or an error stay.
 */
export async function indexDocuments(
  kit: WeaveKit,
  documents: Iterable<Document> | AsyncIterable<Document>,
  signal: AbortSignal,
  onProgress?: (progress: IngestProgress) => void,
): Promise<Indexed> {
  const start = performance.now();
  const ids = new Set<string>();
  const replaced = new Set<string>();
  const empty: string[] = [];
  let chunkCount = 0;
  let tokens = 0;
  for await (const document of documents) {
    signal.throwIfAborted();
    assertDocument(document);
    const known = kit.registry.get(document.id);
    const chunks = await chunkDocument(document, {
      tokenizer: kit.engine.tokenizer,
      chunker: kit.chunker,
      signal,
    });
    await replaceChunks(kit, known?.chunks ?? [], chunks, signal);
    if (known) replaced.add(document.id);
    kit.forgetter.add(known?.chunks ?? []);
    if (chunks.length === 0) {
      kit.registry.delete(document.id);
      empty.push(document.id);
      continue;
    }
    kit.registry.set(document, chunks);
    // Its keys are known from here on, so that a question never waits for them.
    await kit.encodings.plans?.of(chunks);
    ids.add(document.id);
    chunkCount += chunks.length;
    for (const chunk of chunks) tokens += chunk.tokens.length;
    onProgress?.({
      phase: 'index',
      documentId: document.id,
      documents: ids.size,
      chunks: chunkCount,
      tokens,
    });
  }
  return {
    ids: [...ids],
    chunks: chunkCount,
    tokens,
    replaced: [...replaced],
    empty,
    milliseconds: performance.now() - start,
  };
}

/** Puts a document's new chunks in place of its old ones; on failure the old ones are there again. */
async function replaceChunks(
  { retriever }: WeaveKit,
  old: readonly Chunk[],
  chunks: readonly Chunk[],
  signal: AbortSignal,
): Promise<void> {
  try {
    for (let at = 0; at < chunks.length; at += sliceChunks) {
      signal.throwIfAborted();
      await retriever.add(chunks.slice(at, at + sliceChunks), { signal });
    }
  } catch (error) {
    await retriever.remove(idsBut(chunks, old));
    if (old.length > 0) await retriever.add(old);
    throw error;
  }
  await retriever.remove(idsBut(old, chunks));
}

/** Ids of `chunks` that are not among `others`. */
function idsBut(chunks: readonly Chunk[], others: readonly Chunk[]): string[] {
  const kept = new Set(others.map(({ id }) => id));
  return chunks.map(({ id }) => id).filter((id) => !kept.has(id));
}

function assertDocument(document: Document): void {
  const isText = typeof document?.id === 'string' && typeof document.text === 'string';
  if (isText && document.id !== '') return;
  throw new InvalidArgumentError('A document needs an id (not empty) and a text, both strings.');
}
