import type { Chunker } from '../chunkers/chunker.js';
import type { KvEngine } from '../engine/engine.js';
import type { SamplingOptions } from '../engine/sampling.js';
import type { PassageLayout, PromptOptions } from '../prompt.js';
import type { Reranker } from '../rerank/reranker.js';
import type { Embedder } from '../retrieve/embedder.js';
import type { Retriever } from '../retrieve/retriever.js';
import type { CostModel } from '../reuse/cost/cost-model.js';
import type { LateRefreshOptions } from '../reuse/late/late-refresh.js';
import type { RecomputePolicy } from '../reuse/policy.js';
import type { QuestionProbe } from '../select/question-probe.js';
import type { Selector, SetValue } from '../select/selector.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { ShadowOptions } from './shadow/options.js';
import type { SinglePassMode } from './single-pass/options.js';
import type { Warmup } from './warmup/warmup.js';

export interface WeaveOptions extends AskDefaults {
  /** Stays the caller's: disposing the weave does not dispose it. */
  readonly engine: KvEngine;
  /** Where chunk KV is kept; stays the caller's. Default {@link memoryStore}. */
  readonly store?: ChunkStore;
  /** Learns how long computing takes here. Default one of the weave's own. */
  readonly costs?: CostModel;
  /** Default {@link recursiveChunker}. */
  readonly chunker?: Chunker;
  /**
   * Default {@link fusedRetriever} with an `embedder`, else {@link bm25Retriever}. May hold passages already, for example of a
   * saved index.
   */
  readonly retriever?: Retriever;
  /**
   * Finds passages by their meaning as well as by their words ({@link fusedRetriever}): `ingest` embeds them. Stays the caller's, and
   * takes the place of a `retriever`.
   */
  readonly embedder?: Embedder;
  /** The words around passages and question. */
  readonly prompt?: PromptOptions;
  /** Short for `prompt.system`. */
  readonly system?: string;
  /** KV of one tenant is never used by another. Default {@link publicTenant}. */
  readonly tenant?: string;
  /** Seals parts of a tenant's texts from each other, for example by clearance. Default none. */
  readonly label?: string;
  /**
   * Tokens that all running prompts and answers together may hold. Each takes `kvBytesPerToken` of the device's memory
   * from the start: 23 KB for a model of 135M, 128 KB for one of 8B. Default room for two prompts: twice the model's
   * context, at most 8,192, and half of that where it would take more than a quarter of the device's free memory.
   *
   * A question takes the tokens of its prompt (without the prefix) and 64 for its answer, which grows by as many up to
   * `maxTokens`. Room for the longest answer to the oldest running question is kept free; so long as beside that the
   * prompts fit, questions do not wait for each other. Where they do not fit, later ones wait, first come, first
   * served, and a later answer may pause until an earlier one ends. None fails for that.
   */
  readonly cells?: number;
  /**
   * What the KV of passages is made in the sight of, beside the canonical prefix; default `prefix`, nothing. `document`:
   * the text before them in their own document, some 256 to 2,304 tokens of it, so that less is to be repaired in
   * prompts. It is made by `ingest` and `warm` in segments of up to 2,304 tokens, less where
   * the cells hold less; a question that finds it missing has the passage encoded right after the prefix.
   * `{ document: { segmentTokens: 640, overlap: 48 } }`: in shorter ones, of which an edit has less computed again. `{ text }`:
   * a fixed text of up to half of the context. `{ neighbours: 2 }`: the passages that the retriever finds for a
   * passage's own text at the time when `ingest` or `warm` makes its KV, the best last; with `preceding`, also so
   * many tokens before it in its document, each seen by itself and the mean kept unless `join` says otherwise. A question
   * that finds it missing goes on as with `document`.
   */
  readonly warmup?: Warmup;
  /**
   * Documents are cut and encoded in one pass of the model ({@link singlePassChunker}): where they are cut follows from the
   * losses, and the KV of each passage, in sight of the text before it, comes from the same pass, which `ingest` makes
   * whatever its budget. In place of `chunker` and `warmup`. KV that the store let go is made anew right
   * after the prefix, or by a pass when the document is ingested again after a change. Default: none.
   */
  readonly singlePass?: true | SinglePassMode;
  /**
   * Holds some of the woven answers against a full prefill of their prompts while the weave is idle, so that one knows
   * how close weaving stays on the questions that are really asked. Default: none.
   */
  readonly shadow?: ShadowOptions;
  /**
   * Most variants that are kept of a passage whose text occurs again and again, each made in the sight of other text; the
   * one used least often goes. Default 8.
   */
  readonly maxVariants?: number;
  /**
   * Keep with each passage's KV whom its tokens attended to when it was made in the sight of other text (see
   * `EncodingStatistics`), which {@link contextPolicy} and other policies go by. Making KV takes longer by a tenth to a quarter;
   * records grow by less than 1%. KV that is there already is not made anew for it. Default false.
   */
  readonly statistics?: boolean;
}

/** What a weave's questions have in common unless they say otherwise. */
export interface AskDefaults {
  /** Passages of the prompt; default 8. With a selector: those whose tokens are the default of its budget. */
  readonly topK?: number;
  /**
   * Picks the passages among the candidates; default `top-k`: the best of them. `cache-aware`: by {@link cacheAwareSelector}, by default
   * under the milliseconds that the best would take now, so what is cached may be chosen before what is not.
   */
  readonly selector?: Selector | 'top-k' | 'cache-aware';
  /** Candidates to retrieve for a selector or a reranker; default 20, and never fewer than `topK`. */
  readonly retrieve?: number;
  /** What a selector may spend; default the tokens that the best `topK` candidates would take, or their milliseconds by `cache-aware`. */
  readonly budget?: SelectionBudget;
  /** What a set of passages is worth to a selector; default how likely the question is behind it ({@link queryLikelihoodValue}). */
  readonly value?: SetValue | ((probe: QuestionProbe) => SetValue);
  /** Orders the candidates anew before passages are picked; default none does. */
  readonly reranker?: Reranker | ((probe: QuestionProbe) => Reranker);
  /** What to compute again; default {@link hybridPolicy}: as much as the question's attention is spread over. */
  readonly policy?: RecomputePolicy;
  /**
   * Go on computing tokens of passages again while the answer is written, those that the text written so far looks at
   * most; default not at all. Each time the next token waits for it. Not where the layout is a `set`, nor by `full`.
   */
  readonly refreshLate?: LateRefreshOptions;
  /**
   * Order of the passages in the prompt. `reading` (default): documents by their best passage, the passages
   * of one document as they follow each other there. `rank`: best first.
   */
  readonly order?: 'reading' | 'rank';
  /**
   * How passages and question stand in the prompt; default `sequence`. In a `set` nothing needs repair, so the policy
   * is not asked; in `twice` it sees all passages, then all of them again.
   */
  readonly layout?: PassageLayout;
  /**
   * When the prompt is too long: `drop` (default) leaves out the least-ranked passages until the rest fits
   * with room for the answer, and says so in the notes; `throw` fails with {@link ContextOverflowError}.
   */
  readonly overflow?: 'drop' | 'throw';
  /**
   * When no passage matches: `empty` (default) gives an answer without text and the finish reason
   * `nothing-found`, since what the model says then rests on nothing; `answer` asks the model all the same.
   */
  readonly whenNothingFound?: 'empty' | 'answer';
  /** Most tokens of an answer; default 256. */
  readonly maxTokens?: number;
  /** Strings that end the answer and are not part of it. */
  readonly stop?: readonly string[];
  /** Default: greedy. */
  readonly sampling?: SamplingOptions;
}

/** Bounds the passages of a prompt, by one of three measures. */
export type SelectionBudget =
  /** Tokens of the passages as they stand in the prompt. */
  | { readonly tokens: number; readonly milliseconds?: never; readonly share?: never }
  /**
   * Milliseconds to the first token that the passages add, by what was measured here, what of them is cached and where
   * ({@link millisecondsCost}).
   */
  | { readonly milliseconds: number; readonly tokens?: never; readonly share?: never }
  /** A share, above 0, of the milliseconds that the best `topK` candidates would take now. */
  | { readonly share: number; readonly tokens?: never; readonly milliseconds?: never };

export interface AskOptions extends AskDefaults {
  /**
   * `woven` (default) from cached passages; `full` computes the same prompt from its first token, with
   * nothing reused. Where shadow checks found woven answers too far off, `full` is the default.
   */
  readonly reuse?: 'woven' | 'full';
  readonly signal?: AbortSignal;
}

export interface KvBudget {
  /** Time that making chunk KV may take; default 10,000. 0 makes none. */
  readonly milliseconds?: number;
  /** Bytes of chunk KV to make; default what the store may hold, of one with tiers its largest tier. */
  readonly bytes?: number;
}

export interface IngestOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: IngestProgress) => void;
  /** How much chunk KV to make right away; the rest is made on first use and kept. */
  readonly budget?: KvBudget;
  /**
   * Whether the documents given are all that there are, as of a folder: others that the weave has go when the last one is
   * in, with their KV, save what a document that stays has too. A renamed document so keeps its KV. Default false.
   */
  readonly complete?: boolean;
}

/** See {@link IngestOptions}. */
export interface WarmOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: IngestProgress) => void;
  readonly budget?: KvBudget;
}

export type IngestProgress =
  /** A document was indexed: its passages can be found from now on. */
  | {
      readonly phase: 'index';
      readonly documentId: string;
      readonly documents: number;
      readonly chunks: number;
      readonly tokens: number;
    }
  /** Before chunk KV is made: what fits into the budget, and what all of it would take. */
  | { readonly phase: 'estimate'; readonly planned: KvEstimate; readonly all: KvEstimate }
  /** While chunk KV is made. */
  | {
      readonly phase: 'encode';
      readonly chunks: number;
      readonly tokens: number;
      readonly bytes: number;
      /** Since the making began. */
      readonly milliseconds: number;
      /** Share of the budget that is used, in [0, 1]. */
      readonly share: number;
    };

export interface KvEstimate {
  readonly chunks: number;
  /** Tokens to compute: those that passages are encoded after in segments are counted too. */
  readonly tokens: number;
  /** Of the KV that is kept. */
  readonly bytes: number;
  /** From the speed measured so far; absent while nothing was measured. */
  readonly milliseconds?: number;
}

export interface WarmReport {
  /** Chunks whose KV was made now. */
  readonly encoded: number;
  /** Chunks met whose KV was there already. */
  readonly cached: number;
  /** Chunks left for their first use. */
  readonly left: number;
  /** Tokens computed now: of segments, those too that only precede the passages whose KV was made. */
  readonly tokens: number;
  /** Bytes of KV made now and kept. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** Records that the store did not keep: too large for its bound, or no space left. */
  readonly refused: number;
}

/** What an ingest changed of what was there. Passages are told apart by their ids: document, text, ordinal. */
export interface IngestChanges {
  /** Passages that were there. */
  readonly kept: number;
  readonly added: number;
  /** Passages that went. */
  readonly removed: number;
  /** Ids of documents that were there as they are, and so were not cut again. */
  readonly unchanged: readonly string[];
  /** Ids of documents that went because they were not among {@link IngestOptions.complete} ones. */
  readonly removedDocuments: readonly string[];
  /** Those of them whose passages came under another id. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
}

export interface IngestReport {
  readonly documents: number;
  readonly chunks: number;
  readonly tokens: number;
  /** Ids of documents that took the place of one with the same id. */
  readonly replaced: readonly string[];
  /** Ids of documents without any text: not indexed. */
  readonly empty: readonly string[];
  readonly changes: IngestChanges;
  /**
   * Passages that no document has any more and whose KV may still be in a part of the store that did not
   * answer. It is tried again with the next ingest or remove.
   */
  readonly undeleted: number;
  /** Milliseconds of tokenising, cutting and indexing. */
  readonly indexMilliseconds: number;
  /** Chunk KV made within the budget. */
  readonly kv: WarmReport;
}
