import { join } from 'node:path';
import {
  type ChunkStore,
  CostModel,
  createWeave,
  type Document,
  type Embedder,
  type IngestReport,
  InvalidArgumentError,
  type KvEngine,
  memoryStore,
  type Retriever,
  tieredStore,
  type Weave,
} from '../../lib/index.js';
import { folderStore, loadDocuments } from '../fs/index.js';
import { cacheFolder, defaultModel } from '../models/index.js';
import { Closing } from './closing.js';
import type { OpenWeaveOptions } from './options.js';

/** A weave that owns what was opened for it. {@link Weave.dispose} gives back engine, embedder and store as well. */
export interface OpenedWeave extends Weave {
  readonly engine: KvEngine;
  readonly store: ChunkStore;
  /** What became of `documents`; absent where none were given. */
  readonly ingested?: IngestReport;
}

/**
 * Loads a model, opens the folder of chunk KV, indexes documents, and gives a weave over all of it.
 *
 * @throws InvalidArgumentError for options that exclude each other, and what `loadEngine`, `loadEmbedder`, `createWeave`,
 * `loadDocuments` and `ingest` throw, or the signal's reason. Nothing stays open then.
 */
export async function openWeave(options: OpenWeaveOptions = {}): Promise<OpenedWeave> {
  refuseBoth(options, ['engine', 'model'], ['engine', 'device'], ['engine', 'threads']);
  refuseBoth(options, ['retriever', 'embedder'], ['store', 'kvFolder']);
  options.signal?.throwIfAborted();
  const closing = new Closing();
  try {
    const engine = await openEngine(options, closing);
    const costs = options.costs ?? new CostModel();
    const store = openStore(options, costs, closing);
    const search = await openSearch(options, closing);
    const { documents, budget, onProgress, signal, ...rest } = options;
    const weave = await createWeave({ ...partsOf(rest), engine, store, costs, ...search });
    const dispose = weave.dispose.bind(weave);
    closing.add(dispose);
    const ingested =
      documents === undefined
        ? undefined
        : await weave.ingest(documentsOf(documents, options), {
            budget: budget ?? { milliseconds: 0 },
            ...(signal && { signal }),
            ...(onProgress && { onProgress }),
          });
    return Object.assign(weave, {
      engine,
      store,
      ...(ingested && { ingested }),
      dispose: () => closing.close(),
    });
  } catch (error) {
    await closing.close().catch(() => {});
    throw error;
  }
}

/** @throws InvalidArgumentError where both names of a pair are given: callers without types. */
function refuseBoth(
  options: OpenWeaveOptions,
  ...pairs: readonly (readonly [keyof OpenWeaveOptions, keyof OpenWeaveOptions])[]
): void {
  for (const [one, other] of pairs) {
    if (options[one] === undefined || options[other] === undefined) continue;
    throw new InvalidArgumentError(`Give ${one} or ${other}, not both.`);
  }
}

/** What `createWeave` takes as it is. */
function partsOf<T extends object>(options: T) {
  const {
    model: _,
    device: __,
    threads: ___,
    embedder: ____,
    kvFolder: _____,
    ...rest
  } = options as T &
    Partial<Record<'model' | 'device' | 'threads' | 'embedder' | 'kvFolder', unknown>>;
  return rest;
}

async function openEngine(options: OpenWeaveOptions, closing: Closing): Promise<KvEngine> {
  if (options.engine) return options.engine;
  const { model = defaultModel } = options;
  const { loadEngine } = await import('../ggml/index.js');
  const engine = await loadEngine({ model, ...loadingOf(options, 'model') });
  closing.add(() => engine.dispose());
  return engine;
}

/** What engine and embedder are loaded with alike. */
function loadingOf(options: OpenWeaveOptions, of: 'model' | 'embedder') {
  const { device, threads, signal, onProgress } = options;
  return {
    ...(device !== undefined && { device }),
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
    ...(onProgress && {
      onProgress: (step: { phase: 'download' | 'load'; share: number }) =>
        onProgress({ ...step, of }),
    }),
  };
}

function openStore(options: OpenWeaveOptions, costs: CostModel, closing: Closing): ChunkStore {
  if (options.store) return options.store;
  const { tenant, label, kvFolder = join(cacheFolder(), 'kv') } = options;
  const access = { ...(tenant !== undefined && { tenant }), ...(label !== undefined && { label }) };
  const memory = { store: memoryStore(access), name: 'memory' };
  const disk =
    kvFolder === false
      ? []
      : [{ store: folderStore({ ...access, directory: kvFolder }), name: 'disk' }];
  const store = tieredStore([memory, ...disk], { costs });
  closing.add(() => store.close());
  return store;
}

/** Without either a weave goes by words alone, with an embedder by words and meaning. */
async function openSearch(
  options: OpenWeaveOptions,
  closing: Closing,
): Promise<{ retriever?: Retriever; embedder?: Embedder }> {
  if (options.retriever) return { retriever: options.retriever };
  if (options.embedder === undefined) return {};
  return { embedder: await openEmbedder(options, options.embedder, closing) };
}

async function openEmbedder(
  options: OpenWeaveOptions,
  choice: string | Embedder,
  closing: Closing,
): Promise<Embedder> {
  if (typeof choice !== 'string') return choice;
  const { loadEmbedder } = await import('../ggml/index.js');
  const embedder = await loadEmbedder({ model: choice, ...loadingOf(options, 'embedder') });
  closing.add(() => embedder.dispose());
  return embedder;
}

function documentsOf(
  documents: NonNullable<OpenWeaveOptions['documents']>,
  { signal, onProgress }: OpenWeaveOptions,
): Iterable<Document> | AsyncIterable<Document> {
  if (typeof documents !== 'string') return documents;
  return loadDocuments(documents, {
    signal,
    onSkip: (file) => {
      if (file.reason !== 'extension') onProgress?.({ phase: 'skip', file });
    },
  });
}
