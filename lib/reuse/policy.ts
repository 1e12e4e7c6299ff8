import type { ModelInfo } from '../engine/model-info.js';
import type { EncodingContext } from '../store/chunk-store.js';
import type { Carry } from './carry/carry.js';
import type { FidelityCheck } from './fidelity-target.js';
import type { Narrowing } from './narrowing.js';

/**
 * Decides which tokens of reused passages are computed again. It sees what is known of the prompt and what
 * it asks of the probes, never the engine.
 */
export interface RecomputePolicy {
  /** Short name with the settings that matter, for example `question(0.15)`. */
  readonly name: string;
  plan(input: PolicyInput): Promise<RefreshPlan> | RefreshPlan;
  /** Told of each shadow check of an answer that it planned. A policy that has it cannot do without: `shadow` must be given. */
  observe?(check: FidelityCheck): void;
}

export interface PolicyInput {
  readonly model: ModelInfo;
  /** In prompt order, at least one. */
  readonly passages: readonly PassageView[];
  readonly questionTokens: number;
  readonly probes: PolicyProbes;
  /** Milliseconds that computing a token takes, by what was measured; absent while nothing was. */
  readonly msPerToken?: number;
  readonly signal?: AbortSignal;
}

/** What a policy may know of a passage. */
export interface PassageView {
  /** {@link Chunk.id}. */
  readonly chunkId: string;
  readonly documentId: string;
  /** Key of the chunk's KV: what {@link EncodingContext.chunks} of another passage may name. */
  readonly key?: string;
  readonly tokens: Int32Array;
  /** Position of its first token in the prompt. */
  readonly position: number;
  /** Its KV is what a full prefill would give: it stands where it stood when it was encoded. */
  readonly exact: boolean;
  /** Its KV was made before this question. */
  readonly cached: boolean;
  /** {@link EncodingContext}: what its KV saw beside the prefix; absent when that was nothing. */
  readonly context?: EncodingContext;
  /** What was kept with its KV when it was made: see `EncodingStatistics`. Absent in older records. */
  readonly details?: unknown;
}

/** What a policy can ask about the prompt. Each call is a computation that the question waits for. */
export interface PolicyProbes {
  /** How much the question looks at each token of the passages. */
  questionAttention(options?: QuestionAttentionOptions): Promise<QuestionAttention>;
}

export interface QuestionAttentionOptions {
  /** Ascending layer numbers; default {@link ModelInfo.probeLayers}. */
  readonly layers?: readonly number[];
  /** Keep layers apart instead of summing over them; default false. */
  readonly perLayer?: boolean;
  /** Ask with the last so many tokens of the prompt only; default all from the question on. */
  readonly lastTokens?: number;
}

export interface QuestionAttention {
  readonly layers: readonly number[];
  /**
   * For each passage, attention mass summed over heads and question tokens: `[tokens]`, or
   * `[layers][tokens]` when layers are kept apart.
   */
  readonly passages: readonly Float32Array[];
}

/** Which tokens are computed again. A person can read it: see {@link describePlan}. */
export interface RefreshPlan {
  readonly policy: string;
  /** Each passage at most once; passages that are left alone need not be named. */
  readonly passages: readonly PassageRefresh[];
  /** Where fewer tokens go on than were begun with, by ascending layer. */
  readonly narrowing?: readonly Narrowing[];
  /** How the change of the tokens that are computed again is carried to the others. */
  readonly carry?: Carry;
  /** What a person should know about how it was made. */
  readonly notes?: readonly string[];
}

export interface PassageRefresh {
  /** Number of the passage in {@link PolicyInput.passages}. */
  readonly passage: number;
  /** Numbers of its tokens, each at most once, in any order. */
  readonly tokens: Int32Array;
  /** Why these, in a few words. */
  readonly reason: string;
}
