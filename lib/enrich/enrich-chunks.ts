import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { LanguageModel } from '../language-model.js';
import { assertCount } from '../retrieve/ranking.js';
import { inParallel } from '../store/in-parallel.js';
import { keyOfParts } from '../key-of-parts.js';
import type { EnrichmentCache } from './cache.js';
import {
  type ChunkEnrichment,
  type AskedField,
  askedFields,
  enrichmentOf,
  withEnrichment,
} from './enrichment.js';
import { readAnswer } from './read-answer.js';
import { enrichmentRequest, promptVersion } from './request.js';

export interface EnrichOptions {
  readonly model: LanguageModel;
  /** Changes whenever the model would answer otherwise, for example with its file; default its name. */
  readonly modelFingerprint?: string;
  /** Parts that are asked for; default all. */
  readonly fields?: readonly AskedField[];
  /** Default none: every call asks anew. */
  readonly cache?: EnrichmentCache;
  /** Passages asked about at once; default 4. */
  readonly concurrency?: number;
  /** Calls for one passage while they fail, or no part of the answer can be used; default 2. */
  readonly attempts?: number;
  /** Most UTF-16 units of a passage that the model reads; default 4,000. */
  readonly maxUnits?: number;
  readonly signal?: AbortSignal;
  /** After each passage. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface EnrichedChunks {
  /** As given, with the enrichments in their metadata, see {@link withEnrichment}; parts that were not asked for stay. */
  readonly chunks: readonly Chunk[];
  readonly report: EnrichmentReport;
}

export interface EnrichmentReport {
  readonly chunks: number;
  readonly fromCache: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Of each part that was asked for, how many chunks have none: the model answered nonsense, or not at all. */
  readonly missing: Readonly<Partial<Record<AskedField, number>>>;
  /** Chunks for which every call failed, with the last failure. They are not kept in the cache. */
  readonly failed: readonly { readonly chunkId: string; readonly cause: unknown }[];
}

/**
 * Has a language model say what passages are about, in one call each. Texts are never changed: what it says comes beside
 * them, and is searched where `enrichedFields` or a field of the dense retriever says so. Answers that cannot be used lead to no
 * field, and are counted.
 *
 * What a model says of a passage may be wrong, and a passage may tell the model what to say: an enrichment finds passages, it
 * is no source.
 *
 * @throws InvalidArgumentError for options that cannot be; the signal's reason
 */
export async function enrichChunks(
  chunks: readonly Chunk[],
  options: EnrichOptions,
): Promise<EnrichedChunks> {
  const { concurrency = 4, attempts = 2, maxUnits = 4000, signal } = options;
  assertCount('concurrency', concurrency);
  assertCount('attempts', attempts);
  assertCount('maxUnits', maxUnits);
  const fields = wantedFields(options.fields);
  const tally = { fromCache: 0, calls: 0, promptTokens: 0, generatedTokens: 0 };
  const enrichments: ChunkEnrichment[] = chunks.map(() => ({}));
  const failed: { chunkId: string; cause: unknown }[] = [];
  let done = 0;
  await inParallel(concurrency, [...chunks.keys()], async (i) => {
    signal?.throwIfAborted();
    const chunk = chunks[i] as Chunk;
    const end = await enrich(
      chunk.text.slice(0, maxUnits),
      fields,
      { ...options, attempts },
      tally,
    );
    if ('cause' in end) failed.push({ chunkId: chunk.id, cause: end.cause });
    else enrichments[i] = end.enrichment;
    options.onProgress?.({ done: ++done, total: chunks.length });
  });
  const missing = Object.fromEntries(
    fields.map((field) => [
      field,
      enrichments.filter((enrichment) => enrichment[field] === undefined).length,
    ]),
  );
  return {
    chunks: chunks.map((chunk, i) =>
      withEnrichment(chunk, { ...without(enrichmentOf(chunk), fields), ...enrichments[i] }),
    ),
    report: { chunks: chunks.length, ...tally, missing, failed },
  };
}

type Tally = {
  -readonly [name in 'fromCache' | 'calls' | 'promptTokens' | 'generatedTokens']: number;
};

async function enrich(
  passage: string,
  fields: readonly AskedField[],
  options: EnrichOptions & { readonly attempts: number },
  tally: Tally,
): Promise<{ readonly enrichment: ChunkEnrichment } | { readonly cause: unknown }> {
  const { model, modelFingerprint = model.name, cache, attempts, signal } = options;
  const request = enrichmentRequest(passage, fields);
  const key = await keyOfParts([
    promptVersion,
    modelFingerprint,
    attempts,
    request.prompt,
    request.grammar ?? '',
    request.maxTokens ?? 0,
  ]);
  const kept = await cache?.get(key);
  if (kept) {
    tally.fromCache++;
    return { enrichment: kept };
  }
  let failure: { readonly cause: unknown } | undefined;
  let enrichment: ChunkEnrichment | undefined;
  for (let attempt = 0; attempt < attempts && !isUseful(enrichment); attempt++) {
    signal?.throwIfAborted();
    tally.calls++;
    try {
      const answer = await model.generate({
        ...request,
        // Asked the same way, a model would answer the same.
        ...(attempt > 0 && { temperature: 0.5, seed: attempt }),
        ...(signal && { signal }),
      });
      tally.promptTokens += answer.usage.promptTokens;
      tally.generatedTokens += answer.usage.generatedTokens;
      enrichment = readAnswer(answer.text, passage, fields);
    } catch (cause) {
      signal?.throwIfAborted();
      failure = { cause };
      // What is wrong with the request stays wrong.
      if (cause instanceof InvalidArgumentError) break;
    }
  }
  if (!enrichment) return failure ?? { cause: undefined };
  await cache?.set(key, enrichment);
  return { enrichment };
}

/** What was there before, without what was asked for anew. */
function without(
  enrichment: ChunkEnrichment,
  fields: readonly AskedField[],
): Partial<ChunkEnrichment> {
  return Object.fromEntries(
    Object.entries(enrichment).filter(([name]) => !fields.some((field) => field === name)),
  );
}

function isUseful(enrichment: ChunkEnrichment | undefined): boolean {
  return enrichment !== undefined && Object.keys(enrichment).length > 0;
}

/** In the order in which they are asked for, whatever that of the option. */
function wantedFields(fields: readonly AskedField[] = askedFields): AskedField[] {
  const unknown = fields.find((field) => !askedFields.includes(field));
  if (fields.length === 0 || unknown !== undefined) {
    throw new InvalidArgumentError(
      `fields must be some of ${askedFields.join(', ')}, not ${unknown === undefined ? 'none' : `"${unknown}"`}.`,
    );
  }
  return askedFields.filter((field) => fields.includes(field));
}
