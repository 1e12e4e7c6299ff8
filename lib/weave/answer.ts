import type { RefreshPlan } from '../reuse/policy.js';
import type { SelectionPlan } from '../select/selection-plan.js';
import type { EncodedAfter } from './warmup/warmup.js';

/** What a weave says to a question. */
export interface Answer {
  readonly text: string;
  /** The passages in the order of the prompt. */
  readonly sources: readonly Source[];
  readonly usage: Usage;
  readonly timings: Timings;
  /**
   * `stop`: the model ended its turn. `stop-string`: a stop string came up. `length`: the answer reached
   * `maxTokens` or the end of the context. `nothing-found`: no passage matched, so the model was not asked.
   */
  readonly finishReason: 'stop' | 'stop-string' | 'length' | 'nothing-found';
  /** `woven` from cached passages, or computed in `full`. */
  readonly reuse: 'woven' | 'full';
  /** What was computed again and why; see {@link describePlan}. Absent where nothing was woven. */
  readonly plan?: RefreshPlan;
  /** Why each candidate is among the passages or not; where a selector chose them. */
  readonly selection?: SelectionPlan;
  /** What a person should know: passages left out, nothing found and so on. */
  readonly notes: readonly string[];
}

/** A passage that the answer rests on. */
export interface Source {
  /** Its number in the prompt, from 1. */
  readonly number: number;
  readonly chunkId: string;
  readonly documentId: string;
  /** The document's title, or its id. */
  readonly title: string;
  /** {@link Document.source}: a file path or a URL. */
  readonly source?: string;
  /** Span in the document's text, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Retrieval score: higher is better, comparable within one question. */
  readonly score: number;
  /** Its keys and values were made before this question. */
  readonly cached: boolean;
  /**
   * What its keys and values saw when they were made, beside the canonical prefix: nothing (`prefix`), the text before
   * it in its document, its neighbours in the corpus, or the warm-up text. Absent while that is not known, and where the prompt was computed in full.
   */
  readonly encodedAfter?: EncodedAfter;
  /** Headings, line numbers and the like, from the chunker. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Tokens. `prompt` is the sum of `cached`, `recomputed` and `fresh`. */
export interface Usage {
  readonly prompt: number;
  /** Reused as they were. */
  readonly cached: number;
  /** Reused, then computed again in their new surroundings. */
  readonly recomputed: number;
  /** Computed for the first time: the question, passages that were not cached, the prefix of a new weave. */
  readonly fresh: number;
  /** Tokens of the answer. */
  readonly generated: number;
}

/** Milliseconds. */
export interface Timings {
  /** Finding and choosing passages, tokenising the question. */
  readonly retrieve: number;
  /** Waiting for cells that other asks hold, before the prompt and while the answer grows. */
  readonly wait: number;
  /** Reading chunk KV and putting it in its place. */
  readonly load: number;
  /** Encoding passages that were not cached (and the prefix, where it was not). */
  readonly encode: number;
  /** What the policy asked before it decided. */
  readonly probe: number;
  /** Recomputing tokens and computing the question, up to the first logits. */
  readonly refresh: number;
  /** Computing more of the passages again while the answer was written; 0 without `refreshLate`. */
  readonly late: number;
  /** From the call to the first streamed token; 0 when there was none. */
  readonly firstToken: number;
  /** From the call to the end of the answer. */
  readonly total: number;
}

/** What happens while a question is answered, in this order; `encoding` and `delta` repeat. */
export type AnswerEvent =
  | { readonly type: 'retrieved'; readonly sources: readonly Source[] }
  /** A selector chose the passages. */
  | { readonly type: 'selected'; readonly plan: SelectionPlan }
  | EncodingEvent
  /** All passages are in place; `sources` now say whether they were cached. */
  | { readonly type: 'loaded'; readonly sources: readonly Source[] }
  | { readonly type: 'planned'; readonly plan: RefreshPlan }
  /** Text of the answer as it becomes certain. */
  | { readonly type: 'delta'; readonly text: string }
  | { readonly type: 'answer'; readonly answer: Answer };

/** Passages that were not cached are being computed. The first of these events comes before any is. */
export interface EncodingEvent {
  readonly type: 'encoding';
  /** Tokens computed so far. */
  readonly done: number;
  /** Tokens to compute. */
  readonly total: number;
  /** Of all the KV that is made and kept. */
  readonly bytes: number;
  /** What all of it is expected to take from its start; absent while nothing was measured. */
  readonly milliseconds?: number;
}

/** A running answer: iterate for events, or await {@link answer}. Leaving the loop early aborts it. */
export interface AnswerStream<A extends Answer = Answer> extends AsyncIterable<AnswerEvent> {
  /** The whole answer; rejects as the iteration does. */
  readonly answer: Promise<A>;
}
