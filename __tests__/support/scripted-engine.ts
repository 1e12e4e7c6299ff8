import type { SamplingOptions } from '../../lib/engine/sampling.js';
import { FakeEngine, type FakeEngineOptions } from '../../lib/testing/index.js';

/** A fake engine that computes as ever, but whose samplers write what they are told to. */
export class ScriptedEngine extends FakeEngine {
  /** What samplers were made with. */
  readonly asked: SamplingOptions[] = [];
  readonly #script: string[];

  /** The last of the texts is written again and again. */
  constructor(script: readonly string[], options: FakeEngineOptions = {}) {
    super(options);
    this.#script = [...script];
  }

  override async createSampler(options: SamplingOptions = {}) {
    this.asked.push(options);
    const text = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
    const { ids } = await this.tokenizer.encode(text ?? '');
    let at = 0;
    return {
      sample: async () => ids[at++] ?? this.tokenizer.eos,
      dispose: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }
}
