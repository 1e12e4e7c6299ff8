import { recursiveChunker } from '../chunkers/recursive.js';
import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { createPromptLayout } from '../prompt.js';
import { CostModel } from '../reuse/cost/cost-model.js';
import { bm25Retriever } from '../retrieve/bm25.js';
import { fusedRetriever } from '../retrieve/fused-retriever.js';
import type { Retriever } from '../retrieve/retriever.js';
import { queryLikelihoodValue } from '../select/values/query-likelihood.js';
import { accessOf, describeAccess, isSameAccess, keyScope } from '../store/chunk-key.js';
import { memoryStore } from '../store/memory-store.js';
import { BackgroundWriter } from './background-writer.js';
import { CellBudget } from './cell-budget.js';
import { defaultCells } from './default-cells.js';
import { Forgetter } from './forgetter.js';
import type { WeaveKit } from './kit.js';
import { WantedPassages } from './wanted-passages.js';
import { KvLibrary } from './kv-library.js';
import type { WeaveOptions } from './options.js';
import { CanonicalPrefix } from './prefix.js';
import { WovenProbe } from './probe/woven-probe.js';
import { Registry } from './registry.js';
import { PassVectors, type PassVectorsParts } from './single-pass/pass-vectors.js';
import { SinglePass, type SinglePassParts } from './single-pass/single-pass.js';
import { RefreshShares } from './selection/refresh-shares.js';
import { DocumentChunks } from './warmup/document-chunks.js';
import { DocumentPlans } from './warmup/document-plans.js';
import { Encodings } from './warmup/encodings.js';
import { NeighbourMaker } from './warmup/neighbour-maker.js';
import { Neighbours } from './warmup/neighbours.js';
import { SegmentMaker } from './warmup/segment-maker.js';
import { segmentSize } from './warmup/segment-size.js';
import { TextBase } from './warmup/text-base.js';
import { documentSegments, kindOf, type NeighbourWarmup } from './warmup/warmup.js';
import { warmupTokens } from './warmup/warmup-tokens.js';

export interface MadeKit {
  readonly kit: WeaveKit;
  /** The store where none was given: it goes with the weave. */
  readonly ownStore?: AsyncDisposable;
}

/**
 * Puts the parts of a weave together.
 *
 * @param lifetime aborted when the weave is disposed.
 * @throws as `createWeave` does.
 */
export async function makeKit(options: WeaveOptions, lifetime: AbortSignal): Promise<MadeKit> {
  const { engine, store: givenStore, costs = new CostModel(), system, warmup = 'prefix' } = options;
  const { statistics = false, maxVariants = 8 } = options;
  const { cells = defaultCells(engine) } = options;
  if (options.retriever && options.embedder) {
    throw new InvalidArgumentError(
      'There is both a retriever and an embedder; give one of them, or a hybridRetriever over a denseRetriever of the embedder.',
    );
  }
  if (!Number.isSafeInteger(cells) || cells < 1) {
    throw new InvalidArgumentError(`cells is ${cells}; give a whole number of at least 1.`);
  }
  if (!Number.isSafeInteger(maxVariants) || maxVariants < 1) {
    throw new InvalidArgumentError(
      `maxVariants is ${maxVariants}; give a whole number of at least 1.`,
    );
  }
  assertAccess(options);
  assertSinglePass(options);
  const { model } = engine;
  const layout = await createPromptLayout(engine, {
    ...options.prompt,
    ...(system !== undefined && { system }),
  });
  const { keys, prefixKey } = await keysOf(options, layout.prefix);
  const text = await warmupTokens(engine, layout, warmup);

  // Prefix and warm-up text are shared by all, so their cells come on top of those that were asked for.
  const shared = layout.prefix.length + (text?.length ?? 0);
  const arena = await engine.createArena({ cells: cells + shared });
  const ownStore = givenStore ? undefined : memoryStore(accessOf(options));
  const store = givenStore ?? (ownStore as NonNullable<typeof ownStore>);
  const writer = new BackgroundWriter(store, { maxVariants });
  const wanted = new WantedPassages(layout, keys);
  const registry = new Registry();
  const budget = new CellBudget(cells);
  const common = { model, store, writer, costs };

  const tokens = layout.prefix;
  const prefix = new CanonicalPrefix({ ...common, arena, tokens, key: prefixKey, lifetime });
  const isForgotten = (key: string) => wanted.isForgotten(key);
  const library = new KvLibrary({ ...common, arena, prefix, statistics, isForgotten });
  const room = Math.max(0, Math.min(cells, model.contextLength - layout.prefix.length));
  const segments = segmentSize(room, documentSegments(warmup));
  const own = (chunk: Chunk) => wanted.of(chunk);
  const parts = {
    engine,
    layout,
    prefix,
    cells: budget,
    library,
    store,
    writer,
    wanted,
    statistics,
  };
  const { pass, vectors } = await makePass(options, { ...parts, prefixKey }).catch(
    async (error: unknown) => {
      await arena.dispose();
      throw error;
    },
  );
  const { retriever = defaultRetriever(options, vectors) } = options;
  const documents = new DocumentChunks({ registry, retriever });
  const encodings = new Encodings({
    own,
    ...(pass && { pass: { keys: pass, documents } }),
    prefix,
    contextLength: model.contextLength,
    ...(kindOf(warmup) === 'document' && {
      plans: new DocumentPlans({ documents, own, segments, room }),
    }),
    ...(kindOf(warmup) === 'neighbours' && {
      neighbours: new Neighbours({
        store,
        retriever,
        documents,
        own,
        count: (warmup as NeighbourWarmup).neighbours,
        preceding: (warmup as NeighbourWarmup).preceding ?? 0,
        join: (warmup as NeighbourWarmup).join ?? 'mean',
        room,
      }),
    }),
    ...(text && { text: new TextBase({ prefix, tokens: text, costs, lifetime }) }),
  });
  const neutral = text ? [text] : [];
  const probe = new WovenProbe({
    engine,
    arena,
    cells: budget,
    prefix,
    library,
    encodings,
    wanted,
  });
  const kit: WeaveKit = {
    ...common,
    engine,
    arena,
    cells: budget,
    layout,
    prefix,
    library,
    wanted,
    encodings,
    probe,
    // The default of a weave stands here, and nowhere else.
    selector: undefined,
    value: queryLikelihoodValue({ probe }),
    refreshShares: new RefreshShares(),
    segments: new SegmentMaker({
      ...common,
      prefix,
      cells: budget,
      library,
      segments,
      statistics,
      maxVariants,
    }),
    neighbours: new NeighbourMaker({ ...common, prefix, cells: budget, library }),
    forgetter: new Forgetter({ store, writer, wanted, registry, neutral }),
    chunker: pass?.chunker ?? options.chunker ?? recursiveChunker(),
    pass,
    retriever,
    registry,
  };
  return { kit, ...(ownStore && { ownStore }) };
}

/** What cuts and encodes documents in one pass, where that is wanted, and the vectors that it makes. */
async function makePass(
  { singlePass }: WeaveOptions,
  parts: Omit<SinglePassParts, 'vectors'> & PassVectorsParts,
): Promise<{ readonly pass: SinglePass | undefined; readonly vectors: PassVectors | undefined }> {
  if (!singlePass) return { pass: undefined, vectors: undefined };
  const mode = singlePass === true ? {} : singlePass;
  const { vectors: wanted } = mode;
  const vectors = wanted && new PassVectors(parts, wanted === true ? {} : wanted);
  return { pass: new SinglePass({ ...parts, vectors }, mode), vectors };
}

function assertSinglePass(options: WeaveOptions): void {
  const { singlePass, chunker, warmup, retriever, embedder } = options;
  if (!singlePass) return;
  if (singlePass !== true && singlePass.vectors && (retriever ?? embedder)) {
    throw new InvalidArgumentError(
      'singlePass.vectors brings its own retriever; leave out retriever and embedder, or vectors.',
    );
  }
  for (const [name, value] of Object.entries({ chunker, warmup })) {
    if (value === undefined) continue;
    throw new InvalidArgumentError(
      `singlePass cuts and encodes documents itself; leave out ${name}, or singlePass.`,
    );
  }
}

/** A store of others would be listed, and its records evicted, by those who must not know of them. */
function assertAccess({ store, ...options }: WeaveOptions): void {
  if (!store?.access) return;
  const own = accessOf(options);
  if (isSameAccess(store.access, own)) return;
  throw new InvalidArgumentError(
    `The store was opened for ${describeAccess(store.access)}, the weave is for ${describeAccess(own)}; ` +
      'give both the same tenant and label.',
  );
}

async function keysOf({ engine, tenant, label }: WeaveOptions, prefix: Int32Array) {
  const { model, tokenizer } = engine;
  const access = { ...(tenant !== undefined && { tenant }), ...(label !== undefined && { label }) };
  const scope = { model, tokenizer, ...access };
  const bare = await keyScope({ ...scope, prefix: new Int32Array(0) });
  return { keys: await keyScope({ ...scope, prefix }), prefixKey: await bare.key(prefix) };
}

function defaultRetriever({ embedder }: WeaveOptions, vectors: PassVectors | undefined): Retriever {
  if (vectors) return fusedRetriever({ embedder: vectors, vectorOf: vectors.of });
  return embedder ? fusedRetriever({ embedder }) : bm25Retriever();
}
