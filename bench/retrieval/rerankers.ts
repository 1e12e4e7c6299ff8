import { folderStore } from '../../adapters/fs/index.js';
import {
  attentionReranker,
  createWeave,
  engineLanguageModel,
  gradedReranker,
  InvalidArgumentError,
  type KvEngine,
  memoryStore,
  queryLikelihoodReranker,
  type Reranker,
  tieredStore,
  type Weave,
} from '../../lib/index.js';

const kinds = ['likelihood', 'gains', 'attention', 'graded'] as const;
export type RerankerKind = (typeof kinds)[number];

export interface OpenRerankers extends AsyncDisposable {
  readonly rerankers: Readonly<Record<string, Reranker>>;
}

/** @throws InvalidArgumentError */
export function rerankerKinds(names: readonly string[]): RerankerKind[] {
  return names.map((name) => {
    const known = kinds.find((kind) => kind === name);
    if (known) return known;
    throw new InvalidArgumentError(`--rerank has "${name}"; there are ${kinds.join(', ')}.`);
  });
}

/** Rerankers over one engine: those that ask cached passages keep their KV in a folder, and make what is missing. */
export async function openRerankers(
  engine: KvEngine,
  wanted: readonly RerankerKind[],
  directory: string,
): Promise<OpenRerankers> {
  const store = tieredStore([
    { store: memoryStore(), name: 'memory' },
    { store: folderStore({ directory, maxBytes: 20e9 }), name: 'disk' },
  ]);
  const weave = await createWeave({ engine, store, costs: store.costs, cells: 8192 });
  return {
    rerankers: Object.fromEntries(wanted.map((kind) => [kind, rerankerOf(kind, engine, weave)])),
    async [Symbol.asyncDispose]() {
      await weave.dispose();
      await store.close();
    },
  };
}

function rerankerOf(kind: RerankerKind, engine: KvEngine, { probe }: Weave): Reranker {
  const missing = 'encode';
  switch (kind) {
    case 'likelihood':
      return queryLikelihoodReranker({ probe, missing });
    case 'gains':
      return queryLikelihoodReranker({ probe, missing, calibration: 'gains' });
    case 'attention':
      return attentionReranker({ probe, missing });
    case 'graded':
      return gradedReranker({ model: engineLanguageModel(engine), concurrency: 1 });
  }
}
