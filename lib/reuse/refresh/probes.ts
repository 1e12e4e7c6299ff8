import type { PolicyProbes, QuestionAttention, QuestionAttentionOptions } from '../policy.js';
import type { RefreshTarget } from './target.js';

/** Probes of a target, and what they have taken so far. */
export class MeteredProbes implements PolicyProbes {
  readonly #target: RefreshTarget;
  readonly #signal: AbortSignal | undefined;
  milliseconds = 0;
  /** Tokens times layers. */
  layerTokens = 0;
  /** What a probe failed with: the engine's to tell, not the policy's. */
  error: unknown;

  constructor(target: RefreshTarget, signal: AbortSignal | undefined) {
    this.#target = target;
    this.#signal = signal;
  }

  async questionAttention(options: QuestionAttentionOptions = {}): Promise<QuestionAttention> {
    const start = performance.now();
    try {
      return await this.#ask(options);
    } catch (error) {
      this.error = error;
      throw error;
    } finally {
      this.milliseconds += performance.now() - start;
    }
  }

  async #ask(options: QuestionAttentionOptions): Promise<QuestionAttention> {
    const { sequence, spans, question } = this.#target;
    const { lastTokens = question.length, ...request } = options;
    const asking = question.subarray(Math.max(0, question.length - lastTokens));
    const signal = this.#signal;
    const { layers, byEntry } = await sequence.probe(asking, {
      ...request,
      ...(signal && { signal }),
    });
    this.layerTokens += asking.length * ((layers.at(-1) ?? -1) + 1);
    const rows = options.perLayer ? layers.length : 1;
    const width = byEntry.length / rows;
    const passages = spans.map(({ start, end }) => {
      if (rows === 1) return byEntry.subarray(start, end);
      const weights = new Float32Array(rows * (end - start));
      for (let row = 0; row < rows; row++) {
        weights.set(byEntry.subarray(row * width + start, row * width + end), row * (end - start));
      }
      return weights;
    });
    return { layers, passages };
  }
}
