import { homedir } from 'node:os';
import { join } from 'node:path';
import { folderStore } from '../../../adapters/fs/index.js';
import { loadEngine } from '../../../adapters/ggml/index.js';
import { resolveModel } from '../../../adapters/models/index.js';
import {
  bm25Retriever,
  type Chunk,
  createWeave,
  type KvEngine,
  memoryStore,
  recursiveChunker,
  type Retriever,
  tieredStore,
  type Weave,
} from '../../../lib/index.js';
import { createPromptLayout, type PromptLayout } from '../../../lib/prompt.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';
import type { BenchOptions } from '../../harness.js';
import type { JudgedCase } from './questions.js';

export interface CorpusWeave {
  readonly weave: Weave;
  readonly retriever: Retriever;
}

/** What passages are encoded after: nothing but the prefix, the text before them, or the two passages most like them. */
export const benchWarmups = ['prefix', 'document', 'neighbours'] as const;
export type BenchWarmup = (typeof benchWarmups)[number];

/** A model, and a weave for each corpus, indexed when it is first asked for; KV is made on first use and kept on disk. */
export class SelectionLab implements AsyncDisposable {
  readonly engine: KvEngine;
  readonly layout: PromptLayout;
  readonly #store: ReturnType<typeof tieredStore>;
  readonly #corpora = new Map<string, CorpusWeave>();
  readonly #chunkTokens: number;

  static async open(
    options: Pick<BenchOptions, 'model' | 'device' | 'threads'>,
    { chunkTokens, cache }: { readonly chunkTokens: number; readonly cache?: string | undefined },
  ): Promise<SelectionLab> {
    const { path } = await resolveModel(options.model ?? 'smollm2-135m-instruct');
    const { device, threads } = options;
    const engine = await loadEngine({
      model: path,
      device,
      ...(threads !== undefined && { threads }),
    });
    const directory = cache ?? join(homedir(), '.cache', 'chunkweave', 'bench-selection');
    return new SelectionLab(engine, await createPromptLayout(engine), directory, chunkTokens);
  }

  private constructor(
    engine: KvEngine,
    layout: PromptLayout,
    directory: string,
    chunkTokens: number,
  ) {
    this.engine = engine;
    this.layout = layout;
    this.#chunkTokens = chunkTokens;
    this.#store = tieredStore([
      { store: memoryStore(), name: 'memory' },
      { store: folderStore({ directory, maxBytes: 20e9 }), name: 'disk' },
    ]);
  }

  async corpus({ corpus, documents }: JudgedCase): Promise<CorpusWeave> {
    const known = this.#corpora.get(corpus);
    if (known) return known;
    const retriever = bm25Retriever();
    const weave = await this.#weave(retriever, 'prefix');
    await weave.ingest(documents, { budget: { milliseconds: 0 } });
    // Cells of a corpus whose questions are over are of no use.
    const made = { weave, retriever };
    for (const [name, { weave: old }] of this.#corpora) {
      await old.dispose();
      this.#corpora.delete(name);
    }
    this.#corpora.set(corpus, made);
    return made;
  }

  /** A weave over the case's corpus, with KV of the documents that some chunks are of. */
  async warmed(
    { documents }: JudgedCase,
    warmup: BenchWarmup,
    chunks: readonly Chunk[],
  ): Promise<{ readonly weave: Weave } & AsyncDisposable> {
    const weave = await this.#weave(bm25Retriever(), warmup);
    const wanted = new Set(chunks.map(({ documentId }) => documentId));
    const others = documents.filter(({ id }) => !wanted.has(id));
    await weave.ingest(others, { budget: { milliseconds: 0 } });
    const own = documents.filter(({ id }) => wanted.has(id));
    await weave.ingest(own, { budget: { milliseconds: warmup === 'prefix' ? 0 : 600_000 } });
    return { weave, [Symbol.asyncDispose]: () => weave.dispose() };
  }

  #weave(retriever: Retriever, warmup: BenchWarmup): Promise<Weave> {
    return createWeave({
      engine: this.engine,
      store: this.#store,
      costs: this.#store.costs,
      retriever,
      chunker: recursiveChunker({ maxTokens: this.#chunkTokens }),
      cells: 8192,
      warmup: warmup === 'neighbours' ? { neighbours: 2 } : warmup,
    });
  }

  /** The prompt's tokens before the question: the prefix and the chunks, as a full prefill computes them. */
  contextOf(chunks: readonly Chunk[]): Int32Array {
    const runs = [this.layout.prefix, ...chunks.map((chunk) => this.layout.passage(chunk))];
    return Int32Array.from(runs.flatMap((run) => [...run]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { weave } of this.#corpora.values()) await weave.dispose();
    await this.#store.close();
    await this.engine.dispose();
  }
}

/** So many cases, by chance but the same for one seed, those of one corpus together. */
export function sampled(
  cases: readonly JudgedCase[],
  { limit, seed }: { readonly limit: number; readonly seed: number },
): JudgedCase[] {
  const random = seededRandom(seed);
  const left = [...cases];
  const taken: JudgedCase[] = [];
  while (left.length > 0 && taken.length < limit) {
    taken.push(...left.splice(seededInteger(random, left.length), 1));
  }
  return taken.toSorted((a, b) => a.corpus.localeCompare(b.corpus));
}
