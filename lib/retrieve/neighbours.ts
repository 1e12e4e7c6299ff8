import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { fieldsOf, filterMatches } from './filter.js';
import { joinChunks, joinedTokens } from './join-chunks.js';
import { assertCount, assertSearch } from './ranking.js';
import type { Retriever, ScoredChunk } from './retriever.js';
import { Siblings } from './siblings.js';

export interface NeighbourOptions {
  /**
   * `pull` (default): neighbours come as chunks of their own, right behind the hit that brought them and with its score, so
   * that their keys and values are found again. `join`: chunks that follow each other become one.
   */
  readonly how?: 'pull' | 'join';
  /** Chunks taken on each side of a hit; default 1. With `join` 0 joins hits only. */
  readonly radius?: number;
  /** Most tokens of a hit and what comes with it; default 1,000. A hit that is longer stays alone. */
  readonly maxTokens?: number;
  /**
   * The document of a chunk, for `join`: what stands between two chunks (blank text, mostly) is in none of them. Without it
   * only chunks without anything between them are joined.
   */
  readonly documentOf?: (documentId: string) => TokenizedDocument | undefined;
}

/**
 * Brings what stands around each hit in its document. At most `k` chunks in all: neighbours take the place of the hits
 * that come last. They meet the filter too. Joined chunks are exact spans of their document, with an id of their own.
 *
 * Chunks are to be added and removed through it; those that the retriever holds already are known if it can tell them.
 *
 * @throws InvalidArgumentError for options that cannot be
 */
export function neighbourRetriever(
  retriever: Retriever,
  options: NeighbourOptions = {},
): Retriever {
  const { how = 'pull', radius = 1, maxTokens = 1000, documentOf } = options;
  if (how !== 'pull' && how !== 'join') {
    throw new InvalidArgumentError(`how is "${String(how)}"; give pull or join.`);
  }
  assertCount('radius', radius, 0);
  assertCount('maxTokens', maxTokens);
  const known = new Known(retriever.chunks?.() ?? []);
  return {
    async add(chunks, call) {
      await retriever.add(chunks, call);
      for (const chunk of chunks) known.add(chunk);
    },
    async remove(ids) {
      await retriever.remove(ids);
      for (const id of ids) known.remove(id);
    },
    get size() {
      return retriever.size;
    },
    ...(retriever.chunks && { chunks: () => retriever.chunks?.() ?? [] }),
    async search(question, search) {
      assertSearch(search);
      const { k, filter } = search;
      const hits = await retriever.search(question, search);
      // Beyond one that may not be seen nothing follows on.
      const seen = (one: Chunk): boolean => !filter || filterMatches(filter, fieldsOf(one));
      const around = (chunk: Chunk): Around => {
        const { before, after } = known.siblings.around(chunk, { before: radius, after: radius });
        return { before: upTo(before.toReversed(), seen), after: upTo(after, seen) };
      };
      const found =
        how === 'pull'
          ? pullIn(hits, around, maxTokens)
          : joinAll(hits, around, {
              siblings: known.siblings,
              maxTokens,
              ...(documentOf && { documentOf }),
            });
      return found.slice(0, k);
    },
  };
}

/** Both nearest first. */
interface Around {
  readonly before: readonly Chunk[];
  readonly after: readonly Chunk[];
}

function upTo(chunks: readonly Chunk[], isSeen: (chunk: Chunk) => boolean): readonly Chunk[] {
  const end = chunks.findIndex((chunk) => !isSeen(chunk));
  return end < 0 ? chunks : chunks.slice(0, end);
}

function pullIn(
  hits: readonly ScoredChunk[],
  around: (chunk: Chunk) => Around,
  maxTokens: number,
): ScoredChunk[] {
  const taken = new Set<string>();
  const found: ScoredChunk[] = [];
  const take = (chunk: Chunk, score: number): void => {
    taken.add(chunk.id);
    found.push({ chunk, score });
  };
  for (const { chunk, score } of hits) {
    if (!taken.has(chunk.id)) take(chunk, score);
    const { before, after } = around(chunk);
    let tokens = chunk.tokens.length;
    for (let i = 0; i < Math.max(before.length, after.length); i++) {
      for (const one of [before[i], after[i]]) {
        if (!one || taken.has(one.id) || tokens + one.tokens.length > maxTokens) continue;
        tokens += one.tokens.length;
        take(one, score);
      }
    }
  }
  return found;
}

/** Runs grow from the best hit on, by turns on both sides, over hits and what stands around them. */
function joinAll(
  hits: readonly ScoredChunk[],
  around: (chunk: Chunk) => Around,
  { siblings, maxTokens, documentOf }: JoinContext,
): ScoredChunk[] {
  const free = new Set<string>();
  for (const { chunk } of hits) {
    const { before, after } = around(chunk);
    for (const { id } of [chunk, ...before, ...after]) free.add(id);
  }
  const found: ScoredChunk[] = [];
  for (const { chunk, score } of hits) {
    if (!free.has(chunk.id)) continue;
    const document = documentOf?.(chunk.documentId);
    const chunks = siblings.of(chunk.documentId);
    const at = siblings.placeOf(chunk);
    let run: readonly Chunk[] = [chunk];
    const grow = (one: Chunk | undefined, longer: (one: Chunk) => readonly Chunk[]): boolean => {
      if (!one || !free.has(one.id)) return false;
      const grown = longer(one);
      if ((joinedTokens(grown, document) ?? Infinity) > maxTokens) return false;
      run = grown;
      return true;
    };
    let [first, last] = [at, at];
    for (let isGrowing = at >= 0; isGrowing;) {
      const isLonger = grow(chunks[first - 1], (one) => [one, ...run]);
      if (isLonger) first--;
      isGrowing = grow(chunks[last + 1], (one) => [...run, one]);
      if (isGrowing) last++;
      isGrowing ||= isLonger;
    }
    for (const { id } of run) free.delete(id);
    found.push({ chunk: joinChunks(run, document), score });
  }
  return found;
}

interface JoinContext extends Pick<NeighbourOptions, 'documentOf'> {
  readonly siblings: Siblings;
  readonly maxTokens: number;
}

/** The chunks that are there, by document and place. */
class Known {
  readonly siblings = new Siblings();
  readonly #byId = new Map<string, Chunk>();

  constructor(chunks: Iterable<Chunk>) {
    for (const chunk of chunks) this.add(chunk);
  }

  add(chunk: Chunk): void {
    this.remove(chunk.id);
    this.#byId.set(chunk.id, chunk);
    this.siblings.add(chunk);
  }

  remove(id: string): void {
    const chunk = this.#byId.get(id);
    if (!chunk) return;
    this.#byId.delete(id);
    this.siblings.remove(chunk);
  }
}
