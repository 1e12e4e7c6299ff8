import type { KvArena, KvSequence } from '../engine/arena.js';
import type { ModelInfo } from '../engine/model-info.js';
import type { CostModel } from '../reuse/cost/cost-model.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { BackgroundWriter } from './background-writer.js';
import { fitsTokens } from './fits.js';
import { SharedSequence } from './shared-sequence.js';
import type { EncodingBase } from './warmup/encoding-base.js';

export interface CanonicalPrefixOptions {
  readonly arena: KvArena;
  readonly model: ModelInfo;
  readonly tokens: Int32Array;
  /** Key of the prefix's own KV. */
  readonly key: string;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
  /** Aborted when the weave is disposed. */
  readonly lifetime: AbortSignal;
}

/** The sequence that every prompt and every encoding forks from: computed once, or taken from the store. */
export class CanonicalPrefix implements EncodingBase {
  readonly #options: CanonicalPrefixOptions;
  readonly #shared = new SharedSequence(() => this.#make());

  constructor(options: CanonicalPrefixOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#options.tokens.length;
  }

  /** `cached` is false for the one caller for whom it was computed. */
  async use(signal?: AbortSignal): Promise<{ sequence: KvSequence; cached: boolean }> {
    const { made, first } = await this.#shared.use(signal);
    return { sequence: made.sequence, cached: made.stored || !first };
  }

  dispose(): Promise<void> {
    return this.#shared.dispose();
  }

  async #make(): Promise<{ sequence: KvSequence; stored: boolean }> {
    const { arena, tokens, lifetime } = this.#options;
    const sequence = arena.createSequence();
    try {
      const stored = await this.#load(sequence);
      if (!stored && tokens.length > 0) await this.#compute(sequence, lifetime);
      return { sequence, stored };
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }

  async #load(sequence: KvSequence): Promise<boolean> {
    const { model, tokens, key, store, costs, lifetime } = this.#options;
    if (tokens.length === 0) return false;
    const record = await store.get(key, { signal: lifetime }).catch(() => undefined);
    if (!record || !fitsTokens(record.kv, model, tokens)) return false;
    await sequence.splice(record.kv, { position: 0, signal: lifetime });
    // What it took when it was made is the best guess until something is measured here.
    costs.hintCompute({ tokens: tokens.length }, record.computeMs);
    return true;
  }

  async #compute(sequence: KvSequence, signal: AbortSignal): Promise<void> {
    const { tokens, key, writer, costs } = this.#options;
    const start = performance.now();
    await sequence.append(tokens, { logits: 'none', signal });
    const computeMs = performance.now() - start;
    costs.observeCompute({ tokens: tokens.length }, computeMs);
    const kv = await sequence.capture({ start: 0, end: tokens.length }, { signal });
    writer.put(key, { kv, computeMs, created: Date.now() });
  }
}
