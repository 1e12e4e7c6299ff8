import type { KvSequence } from '../../engine/arena.js';
import type { CostModel } from '../../reuse/cost/cost-model.js';
import { SharedSequence } from '../shared-sequence.js';
import type { EncodingBase } from './encoding-base.js';

export interface TextBaseOptions {
  readonly prefix: EncodingBase;
  /** The warm-up text as it would stand in a prompt. */
  readonly tokens: Int32Array;
  readonly costs: CostModel;
  /** Aborted when the weave is disposed. */
  readonly lifetime: AbortSignal;
}

/**
 * The canonical prefix and a warm-up text behind it, computed once for all passages that are encoded after it. Holds
 * as many cells as the text has tokens.
 */
export class TextBase implements EncodingBase {
  readonly tokens: Int32Array;
  readonly #options: TextBaseOptions;
  readonly #shared = new SharedSequence(() => this.#make());

  constructor(options: TextBaseOptions) {
    this.tokens = options.tokens;
    this.#options = options;
  }

  get length(): number {
    return this.#options.prefix.length + this.tokens.length;
  }

  async use(signal?: AbortSignal): Promise<{ sequence: KvSequence }> {
    return (await this.#shared.use(signal)).made;
  }

  dispose(): Promise<void> {
    return this.#shared.dispose();
  }

  async #make(): Promise<{ sequence: KvSequence }> {
    const { prefix, tokens, costs, lifetime } = this.#options;
    const sequence = (await prefix.use(lifetime)).sequence.fork();
    try {
      const start = performance.now();
      await sequence.append(tokens, { logits: 'none', signal: lifetime });
      costs.observeCompute(
        { tokens: tokens.length, before: prefix.length },
        performance.now() - start,
      );
      return { sequence };
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }
}
