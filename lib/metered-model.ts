import type { LanguageModel } from './language-model.js';

/** What a model was asked for and gave. */
export interface ModelUsage {
  /** Also those that failed. */
  readonly calls: number;
  readonly failed: number;
  /** Of calls that did not fail. */
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

/** A model that counts. */
export interface MeteredModel extends LanguageModel {
  /** Since it was made. */
  readonly usage: ModelUsage;
}

/**
 * The same model, which counts its calls and tokens: what chunkers, enrichment and judges take from a cache does not
 * reach it.
 */
export function meteredModel(model: LanguageModel): MeteredModel {
  const usage = { calls: 0, failed: 0, promptTokens: 0, generatedTokens: 0 };
  return {
    name: model.name,
    get usage() {
      return { ...usage };
    },
    generate: async (request) => {
      usage.calls++;
      try {
        const result = await model.generate(request);
        usage.promptTokens += result.usage.promptTokens;
        usage.generatedTokens += result.usage.generatedTokens;
        return result;
      } catch (error) {
        usage.failed++;
        throw error;
      }
    },
  };
}
