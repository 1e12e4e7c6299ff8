import type { Chunker, ChunkOptions } from '../chunkers/chunker.js';
import { excerptOf } from '../chunkers/excerpt.js';
import { askWithGrammar, checkAsk, type ModelCallOptions } from '../chunkers/model/ask.js';
import { stage } from '../chunkers/stage.js';
import type { Chunk, Document } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { keyOfParts } from '../key-of-parts.js';
import type { GenerateRequest, LanguageModel } from '../language-model.js';
import { type MeteredModel, meteredModel } from '../metered-model.js';
import { assertCount } from '../retrieve/ranking.js';
import { inParallel } from '../store/in-parallel.js';
import type { EnrichmentCache } from './cache.js';
import { type ChunkEnrichment, enrichmentOf, withEnrichment } from './enrichment.js';
import {
  completionOf,
  completionRequest,
  documentSummaryRequest,
  factsOf,
  reviewRequest,
  sideFieldsPromptVersion,
  summaryOf,
  summaryRequest,
} from './side-fields/prompts.js';

/** What is said beside a passage. */
export type SideField = 'completion' | 'summary';

export interface SideFieldsOptions extends ModelCallOptions {
  readonly model: LanguageModel;
  /** Changes whenever the model would answer otherwise, for example with its file; default its name. */
  readonly modelFingerprint?: string;
  /** Default both. */
  readonly fields?: readonly SideField[];
  /**
   * What of its document a passage is completed from: the text `before` it (default; Meta-Chunking), or the text on both
   * sides (QChunker, which shows the whole document).
   */
  readonly context?: 'before' | 'both';
  /** Most UTF-16 units of that text, the nearest ones, and of the excerpt that a document is summarised from; default 6,000. */
  readonly contextUnits?: number;
  /** Default none: every call asks anew. */
  readonly cache?: EnrichmentCache;
  /** Passages asked about at once; default 4. */
  readonly concurrency?: number;
  /** Told after each document. */
  readonly onReport?: (report: SideFieldsReport) => void;
}

export interface SideFieldsReport {
  readonly documentId: string;
  readonly chunks: number;
  /** Answers. */
  readonly fromCache: number;
  readonly calls: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Chunks that have the field. */
  readonly made: Readonly<Record<SideField, number>>;
  /** Chunks that the model found to lack nothing, and first ones, which nothing stands before. */
  readonly complete: number;
  /** Chunks without the field since no answer could be used. */
  readonly missing: Readonly<Record<SideField, number>>;
  /** Chunks for which the model failed, with the last failure; they are not kept. */
  readonly failed: readonly {
    readonly chunkId: string;
    readonly field: SideField;
    readonly cause: unknown;
  }[];
}

/** So many failures one after another, and a model is asked no more about this document. */
const patience = 2;

/**
 * A chunker whose chunks also say, beside their text, what they cannot be understood without (`completion`) and what they
 * tell (`summary`). Texts, tokens and ids stay what the chunker made them. Both are in the metadata as enrichments are, so
 * `enrichedFields({ completion: 0.5 })` searches them and `enrichmentOf` reads them.
 *
 * Completion is that of Meta-Chunking (arXiv 2410.12788, version 3) and of QChunker (arXiv 2603.11650): what a passage lacks
 * is listed in view of the text around it; what the text does not bear out, or the passage says itself, is dropped; and
 * from the rest a sentence or two are written. They rewrite the passage with it; here that would cost it its place in
 * the document and its KV. Summary is in two stages, as in the former: of the document, and in view of it of the passage. One
 * call for a document, and up to three for a passage.
 *
 * Answers that cannot be used lead to no field, and are counted, as are failures; `chunk()` rejects with the signal's
 * reason and with what the chunker rejects with, and nothing else.
 *
 * What a model says of a passage may be wrong, and a passage may tell the model what to say: a side field finds
 * passages, it is no source.
 *
 * @throws InvalidArgumentError for options that cannot be
 */
export function withSideFields(chunker: Chunker, options: SideFieldsOptions): Chunker {
  const { model, fields = ['completion', 'summary'], contextUnits = 6000 } = options;
  const { concurrency = 4, attempts = 2 } = options;
  checkAsk('withSideFields', options);
  assertCount('contextUnits', contextUnits);
  assertCount('concurrency', concurrency);
  const unknown = fields.find((field) => field !== 'completion' && field !== 'summary');
  if (fields.length === 0 || unknown !== undefined) {
    throw new InvalidArgumentError(
      `withSideFields: fields must be some of completion, summary, not ${unknown === undefined ? 'none' : `"${String(unknown)}"`}.`,
    );
  }
  const plan: Plan = {
    ...options,
    fields,
    contextUnits,
    concurrency,
    attempts,
    context: options.context ?? 'before',
    modelFingerprint: options.modelFingerprint ?? model.name,
  };
  return {
    name: `${chunker.name} with ${fields.join(' and ')} of ${model.name}`,
    chunk: async (document, chunkOptions = {}) => {
      const chunks = await chunker.chunk(document, stage(chunkOptions, 0, 0.2));
      return new Author(document, plan).fill(chunks, stage(chunkOptions, 0.2, 1));
    },
  };
}

type Plan = SideFieldsOptions &
  Required<
    Pick<
      SideFieldsOptions,
      'fields' | 'context' | 'contextUnits' | 'concurrency' | 'attempts' | 'modelFingerprint'
    >
  >;

/** Text of a field, empty where none is needed, undefined where no answer could be used. */
type Written = string | undefined;

/** Writes the side fields of one document's chunks. */
class Author {
  readonly #document: Document;
  readonly #plan: Plan;
  readonly #model: MeteredModel;
  readonly #failed: { chunkId: string; field: SideField; cause: unknown }[] = [];
  #fromCache = 0;
  #failuresInARow = 0;
  #lastFailure: unknown;

  constructor(document: Document, plan: Plan) {
    this.#document = document;
    this.#plan = plan;
    this.#model = meteredModel(plan.model);
  }

  async fill(chunks: readonly Chunk[], { signal, onProgress }: ChunkOptions): Promise<Chunk[]> {
    signal?.throwIfAborted();
    const { fields, concurrency, onReport } = this.#plan;
    const made = { completion: 0, summary: 0 };
    const missing = { completion: 0, summary: 0 };
    let complete = 0;
    let done = 0;
    const about = await this.#aboutDocument(chunks, signal);
    const filled = [...chunks];
    await inParallel(concurrency, [...chunks.keys()], async (i) => {
      signal?.throwIfAborted();
      const chunk = chunks[i] as Chunk;
      const found: { -readonly [name in SideField]?: string } = {};
      for (const field of fields) {
        try {
          const text = await this.#write(field, chunk, about, signal);
          if (text === undefined) missing[field]++;
          else if (text === '') complete++;
          else {
            found[field] = text;
            made[field]++;
          }
        } catch (cause) {
          signal?.throwIfAborted();
          this.#failed.push({ chunkId: chunk.id, field, cause });
        }
      }
      filled[i] = withFound(chunk, found);
      onProgress?.(++done / chunks.length);
    });
    if (chunks.length === 0) onProgress?.(1);
    const { calls, promptTokens, generatedTokens } = this.#model.usage;
    onReport?.({
      documentId: this.#document.id,
      chunks: chunks.length,
      fromCache: this.#fromCache,
      calls,
      promptTokens,
      generatedTokens,
      made,
      complete,
      missing,
      failed: this.#failed,
    });
    return filled;
  }

  /** What the document is about; undefined where it is a single passage, or nothing of use was said. */
  async #aboutDocument(
    chunks: readonly Chunk[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    if (!this.#plan.fields.includes('summary') || chunks.length < 2) return undefined;
    const excerpt = excerptOf(this.#document.text, this.#plan.contextUnits);
    try {
      return await this.#ask(
        documentSummaryRequest(excerpt),
        'summary',
        (answer) => summaryOf(answer, excerpt),
        signal,
      );
    } catch {
      signal?.throwIfAborted();
      // The passages are asked about all the same; where that fails too, it is reported of each.
      return undefined;
    }
  }

  async #write(
    field: SideField,
    chunk: Chunk,
    about: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Written> {
    const text = chunk.text.trim();
    if (field === 'summary') {
      const request = summaryRequest(text, about);
      return this.#ask(request, 'summary', (answer) => summaryOf(answer, text, about), signal);
    }
    const context = this.#contextOf(chunk.start, chunk.end);
    if (context.trim() === '') return '';
    const listed = await this.#ask(
      reviewRequest(text, context),
      'completion',
      (answer) => factsOf(answer, text, context)?.join('\n'),
      signal,
    );
    if (listed === undefined || listed === '') return listed;
    const facts = listed.split('\n');
    return this.#ask(
      completionRequest(text, facts),
      'completion',
      (answer) => completionOf(answer, text, facts),
      signal,
    );
  }

  #contextOf(start: number, end: number): string {
    const { text } = this.#document;
    const { context, contextUnits } = this.#plan;
    if (context === 'before') return whole(text.slice(Math.max(0, start - contextUnits), start));
    const half = contextUnits >> 1;
    return whole(text.slice(Math.max(0, start - half), end + half));
  }

  /** One question: from the cache, or asked until an answer can be used; what cannot be is kept as such. */
  async #ask(
    request: Omit<GenerateRequest, 'signal'>,
    field: SideField,
    read: (answer: string) => Written,
    signal: AbortSignal | undefined,
  ): Promise<Written> {
    const { modelFingerprint, attempts, cache } = this.#plan;
    const key = await keyOfParts([
      'side-field',
      sideFieldsPromptVersion,
      modelFingerprint,
      attempts,
      request.prompt,
    ]);
    const kept: ChunkEnrichment | undefined = await cache?.get(key);
    if (kept) {
      this.#fromCache++;
      return kept[field];
    }
    if (this.#failuresInARow >= patience) throw this.#lastFailure;
    let written: Written;
    for (let attempt = 0; attempt < attempts && written === undefined; attempt++) {
      // Asked the same way, a model would answer the same.
      const again = attempt > 0 ? { temperature: 0.5, seed: attempt } : {};
      try {
        const { text } = await askWithGrammar(
          this.#model,
          { ...request, ...again },
          this.#plan,
          signal,
        );
        this.#failuresInARow = 0;
        written = read(text);
      } catch (cause) {
        signal?.throwIfAborted();
        this.#failuresInARow++;
        this.#lastFailure = cause;
        throw cause;
      }
    }
    await cache?.set(key, written === undefined ? {} : { [field]: written });
    return written;
  }
}

function withFound(chunk: Chunk, found: ChunkEnrichment): Chunk {
  if (Object.keys(found).length === 0) return chunk;
  return withEnrichment(chunk, { ...enrichmentOf(chunk), ...found });
}

/** Without the halves of characters that it was cut through. */
function whole(text: string): string {
  return text.replaceAll(/\p{Cs}/gu, '').trim();
}
