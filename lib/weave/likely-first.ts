import type { Chunk } from '../document.js';
import { sliceMs } from '../pace.js';
import type { Retriever } from '../retrieve/retriever.js';
import type { KnownDocument } from './registry.js';

/** Sample questions put to the index: enough to tell central passages from others, and quick. */
const samples = 48;
const hitsPerSample = 8;

/**
 * Chunks in the order in which questions are likely to need them, as far as the index itself can tell: it
 * is asked with titles and first lines of passages spread over the documents, and chunks that come up for
 * others come first, the higher the ranks the sooner. The rest follows in rounds: the first chunk of each
 * document, then the second of each.
 */
export async function likelyFirst(
  documents: readonly KnownDocument[],
  retriever: Retriever,
  signal?: AbortSignal,
): Promise<Chunk[]> {
  const rounds = inRounds(documents);
  const weights = new Map<string, number>();
  const titles = new Map(documents.map(({ id, title }) => [id, title ?? '']));
  const step = Math.max(1, rounds.length / samples);
  let sliceStart = performance.now();
  for (let at = 0; at < rounds.length; at += step) {
    const asking = rounds[Math.floor(at)] as Chunk;
    if (performance.now() - sliceStart > sliceMs) {
      // A search in memory never leaves the thread by itself.
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      sliceStart = performance.now();
    }
    signal?.throwIfAborted();
    const hits = await retriever.search(sampleQuestion(asking, titles), {
      k: hitsPerSample,
      ...(signal && { signal }),
    });
    for (const [rank, { chunk }] of hits.entries()) {
      if (chunk.id === asking.id) continue;
      weights.set(chunk.id, (weights.get(chunk.id) ?? 0) + 1 / (rank + 1));
    }
  }
  // Sorting is stable, so chunks of equal weight stay in their rounds.
  return rounds.sort((a, b) => (weights.get(b.id) ?? 0) - (weights.get(a.id) ?? 0));
}

function sampleQuestion(chunk: Chunk, titles: ReadonlyMap<string, string>): string {
  const title = titles.get(chunk.documentId) ?? '';
  const firstLine = chunk.text.trim().split(/\n|(?<=[.!?])\s/, 1)[0] ?? '';
  return `${title} ${firstLine.slice(0, 200)}`;
}

function inRounds(documents: readonly KnownDocument[]): Chunk[] {
  const rounds: Chunk[] = [];
  const longest = documents.reduce((most, { chunks }) => Math.max(most, chunks.length), 0);
  let open = documents;
  for (let round = 0; round < longest; round++) {
    open = open.filter(({ chunks }) => chunks.length > round);
    for (const { chunks } of open) rounds.push(chunks[round] as Chunk);
  }
  return rounds;
}
