import {
  bm25Retriever,
  type Chunk,
  denseRetriever,
  type Embedder,
  enrichedFields,
  enrichedTexts,
  type EnrichmentField,
  flatIndex,
  hybridRetriever,
  type Retriever,
} from '../../lib/index.js';
import type { Arm } from './arms.js';
import { depth } from './measures.js';
import { rememberHits } from './remember.js';

const weights = [0.25, 0.5, 1];
const denseWeights = [0.8, 0.9, 1];
/** Of the min-max hybrid without enrichments; the share is chosen again with them. */
const shares = [0.3, 0.4, 0.5];

export interface EnrichedArmsOptions {
  /** With enrichments in their metadata. */
  readonly chunks: readonly Chunk[];
  readonly fields: readonly EnrichmentField[];
  /** Remembers what it embedded; undefined for arms of words alone. */
  readonly embedder: Embedder | undefined;
  /** What lexical search is joined with where the hybrid's dense side is to stay as it is. */
  readonly dense: Retriever | undefined;
}

interface Setting {
  readonly name: string;
  readonly retriever: Retriever;
}

/** Searches that also look into what a model said of passages: each part by itself, and all of them, in several weights. */
export async function enrichedArms({
  chunks,
  fields,
  embedder,
  dense,
}: EnrichedArmsOptions): Promise<Arm[]> {
  const sets = [...fields.map((field) => [field]), ...(fields.length > 1 ? [fields] : [])];
  const added = async (retriever: Retriever): Promise<Retriever> => {
    await retriever.add(chunks);
    return rememberHits(retriever, depth);
  };
  const lexical: Setting[] = [];
  for (const set of sets) {
    for (const weight of weights) {
      const own = Object.fromEntries(set.map((field) => [field, weight]));
      const retriever = await added(bm25Retriever({ fields: enrichedFields(own) }));
      lexical.push({ name: `${nameOf(set, fields)} at ${weight}`, retriever });
    }
  }
  const arms: Arm[] = [{ name: 'bm25 enriched', base: 'bm25', settings: lexical }];
  if (!embedder || !dense) return arms;
  const near: Setting[] = [];
  for (const set of sets) {
    for (const weight of denseWeights) {
      const retriever = await added(
        denseRetriever({
          embedder,
          index: flatIndex({ embedder }),
          fields: set.map((field) => ({
            name: field,
            weight,
            index: flatIndex({ embedder }),
            textsOf: (chunk) => enrichedTexts(chunk, field),
          })),
        }),
      );
      near.push({ name: `${nameOf(set, fields)} at ${weight}`, retriever });
    }
  }
  const joined = lexical.flatMap(({ name, retriever }) =>
    shares.map((share) => ({
      name: `${name}, dense ${share}`,
      retriever: hybridRetriever({
        retrievers: { lexical: retriever, dense },
        pool: depth,
        weights: { lexical: 1 - share, dense: share },
        fusion: { kind: 'weighted', normalise: 'min-max' },
      }),
    })),
  );
  return [
    ...arms,
    { name: 'dense enriched', base: 'dense', settings: near },
    { name: 'hybrid enriched', base: 'hybrid min-max', settings: joined },
  ];
}

const nameOf = (set: readonly string[], all: readonly string[]): string =>
  set.length > 1 && set.length === all.length ? 'all' : set.join(', ');
