import {
  bm25Retriever,
  type Chunk,
  denseRetriever,
  type Embedder,
  flatIndex,
  hybridRetriever,
  mmrRetriever,
  neighbourRetriever,
  type Retriever,
  type SituateOptions,
  vectorSimilarity,
} from '../../lib/index.js';
import { depth } from './measures.js';
import { rememberHits } from './remember.js';

/** A way of searching, in one or more settings of which the best on the search half is taken. */
export interface Arm {
  readonly name: string;
  /** The arm that this one adds something to, and is held against; default the first of all. */
  readonly base?: string;
  readonly settings: readonly {
    readonly name: string;
    readonly retriever: Pick<Retriever, 'search'>;
  }[];
}

/** What other arms are built on. */
export interface BaseRetrievers {
  readonly bm25: Retriever;
  /** Of one setting, the usual one, so that what is put on top needs none of its own. */
  readonly dense?: Retriever;
  readonly 'hybrid min-max'?: Retriever;
}

/** Of dense search in what the program does. */
const usualShare = 0.4;
const shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const lambdas = [0.5, 0.7, 0.9];
const alphas = [0.5, 0.7, 0.9];

export interface ArmsOptions {
  /** Embeds each text once, however often it is asked; undefined: searches of words alone. */
  readonly embedder: Embedder | undefined;
  /** Whether passages are also embedded with their neighbours. */
  readonly situated: boolean;
  /** Hears how long indexing takes, in milliseconds by what is indexed. */
  readonly took: (what: string, ms: number) => void;
}

export async function armsOf(
  chunks: readonly Chunk[],
  { embedder, situated, took }: ArmsOptions,
): Promise<{ readonly arms: Arm[]; readonly bases: BaseRetrievers }> {
  const indexed = async (what: string, retriever: Retriever): Promise<Retriever> => {
    const start = performance.now();
    await retriever.add(chunks);
    took(what, performance.now() - start);
    return rememberHits(retriever, depth);
  };
  const lexical = await indexed('bm25', bm25Retriever());
  const arms = [
    single('bm25', lexical),
    {
      name: 'bm25 mmr',
      settings: lambdas.map((lambda) => ({
        name: `lambda ${lambda}`,
        retriever: mmrRetriever(lexical, { lambda, pool: depth }),
      })),
    },
    single('bm25 neighbours', neighbourRetriever(lexical)),
  ];
  if (!embedder) return { arms, bases: { bm25: lexical } };
  const denseOf = (situate?: SituateOptions): Retriever =>
    denseRetriever({
      embedder,
      index: flatIndex({ embedder }),
      ...(situate && { situate }),
    });
  const dense = await indexed('dense', denseOf());
  const retrievers = { lexical, dense };
  const rrf = hybridRetriever({ retrievers, pool: depth });
  const similarity = vectorSimilarity(embedder, 100_000);
  const joined = (normalise: 'min-max' | 'z-score', share: number): Retriever =>
    hybridRetriever({
      retrievers,
      pool: depth,
      weights: { lexical: 1 - share, dense: share },
      fusion: { kind: 'weighted', normalise },
    });
  const weighted = (normalise: 'min-max' | 'z-score'): Arm => ({
    name: `hybrid ${normalise}`,
    settings: shares.map((share) => ({
      name: `dense ${share}`,
      retriever: joined(normalise, share),
    })),
  });
  const all = [
    ...arms,
    single('dense', dense),
    {
      name: 'dense mmr',
      settings: lambdas.map((lambda) => ({
        name: `lambda ${lambda}`,
        retriever: mmrRetriever(dense, { lambda, pool: depth, similarity }),
      })),
    },
    ...(situated ? await situatedArms(chunks, denseOf, indexed) : []),
    single('hybrid rrf', rrf),
    weighted('min-max'),
    weighted('z-score'),
    {
      name: 'hybrid rrf mmr',
      settings: lambdas.map((lambda) => ({
        name: `lambda ${lambda}`,
        retriever: mmrRetriever(rrf, { lambda, pool: depth, similarity }),
      })),
    },
    single('hybrid rrf neighbours', neighbourRetriever(rrf)),
  ];
  return {
    arms: all,
    bases: { bm25: lexical, dense, 'hybrid min-max': joined('min-max', usualShare) },
  };
}

/** What is embedded in the sight of its neighbours. */
async function situatedArms(
  chunks: readonly Chunk[],
  denseOf: (situate: SituateOptions) => Retriever,
  indexed: (what: string, retriever: Retriever) => Promise<Retriever>,
): Promise<Arm[]> {
  const joined = await indexed('dense joined', denseOf({ how: 'joined' }));
  const settings: { name: string; retriever: Retriever }[] = [];
  for (const alpha of alphas) {
    // What is embedded here was embedded before, so the time says nothing.
    const retriever = denseOf({ how: 'mean', alpha });
    await retriever.add(chunks);
    settings.push({ name: `alpha ${alpha}`, retriever: rememberHits(retriever, depth) });
  }
  return [single('dense joined', joined), { name: 'dense mean', settings }];
}

const single = (name: string, retriever: Retriever): Arm => ({
  name,
  settings: [{ name: '', retriever }],
});
