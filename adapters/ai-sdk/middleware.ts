import type { Retriever, SearchOptions } from '../../lib/retrieve/retriever.js';
import { assertCount } from '../../lib/retrieve/ranking.js';
import { joinedPassages, type PassageWords } from './passages.js';
import type { Weave } from '../../lib/weave.js';
import { contractVersion, type MiddlewareContract, type ModelCall } from './contract.js';
import { questionOf } from './conversation.js';
import { weaveModel } from './language-model.js';

export interface WeaveMiddlewareOptions {
  readonly weave: Weave;
  /**
   * When the weave finds no passage: `model` (default) asks the wrapped model without any, `empty` gives the weave's answer
   * without text.
   */
  readonly whenNothingFound?: 'model' | 'empty';
}

/**
 * Lets a weave answer what it can, for `wrapLanguageModel`: questions whose last message is the user's text. The wrapped model
 * is asked where that is not so, where tools may be called, and where nothing was found.
 */
export function weaveMiddleware(options: WeaveMiddlewareOptions): MiddlewareContract {
  const { weave, whenNothingFound = 'model' } = options;
  const model = weaveModel(weave);
  const isForWeave = async (call: ModelCall): Promise<boolean> => {
    const question = questionOf(call.prompt);
    const callsTools = (call.tools?.length ?? 0) > 0 && call.toolChoice?.type !== 'none';
    if (question === undefined || callsTools) return false;
    if (whenNothingFound === 'empty') return true;
    const signal = call.abortSignal;
    const { sources } = await weave.prompt(question, signal ? { signal } : {});
    return sources.length > 0;
  };
  return {
    specificationVersion: contractVersion,
    wrapGenerate: async ({ doGenerate, params }) =>
      (await isForWeave(params)) ? model.doGenerate(params) : doGenerate(),
    wrapStream: async ({ doStream, params }) =>
      (await isForWeave(params)) ? model.doStream(params) : doStream(),
  };
}

export interface RetrievalMiddlewareOptions extends PassageWords {
  readonly retriever: Retriever;
  /** Passages of a prompt; default 8. */
  readonly topK?: number;
  readonly filter?: SearchOptions['filter'];
}

/**
 * Puts passages before the user's last message, for any model and `wrapLanguageModel`. Passages stand in one order whatever
 * their rank, so that a server that caches prefixes computes equal sets once.
 *
 * @throws InvalidArgumentError for a `topK` that is no whole number of at least 1.
 */
export function retrievalMiddleware(options: RetrievalMiddlewareOptions): MiddlewareContract {
  const { retriever, topK = 8, filter } = options;
  assertCount('topK', topK);
  return {
    specificationVersion: contractVersion,
    async transformParams({ params }) {
      const question = questionOf(params.prompt);
      const last = params.prompt.at(-1);
      if (question === undefined || last?.role !== 'user') return params;
      const signal = params.abortSignal;
      const found = await retriever.search(question, {
        k: topK,
        ...(filter && { filter }),
        ...(signal && { signal }),
      });
      if (found.length === 0) return params;
      const text = joinedPassages(found, options);
      const asked = { ...last, content: [{ type: 'text' as const, text }, ...last.content] };
      return { ...params, prompt: [...params.prompt.slice(0, -1), asked] };
    },
  };
}
