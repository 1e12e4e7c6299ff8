import { SamplingError } from '../../lib/errors.js';
import type { LanguageModel } from '../../lib/language-model.js';
import type { LanguageModelContract } from './contract.js';
import { providerName } from './language-model.js';

export interface AiSdkLanguageModelOptions {
  readonly model: LanguageModelContract;
  /**
   * When an answer must follow a grammar, which the AI SDK has no word for: `ask` (default) asks without it, since those who
   * bring one read the answer with care; `refuse` fails with SamplingError. Models of chunkweave follow grammars.
   */
  readonly grammars?: 'ask' | 'refuse';
}

/**
 * Any AI SDK model as a {@link LanguageModel}: for chunkers, enrichment and judges. It gives no alternatives of the first
 * token, and its own retries are the caller's affair.
 */
export function aiSdkLanguageModel(options: AiSdkLanguageModelOptions): LanguageModel {
  const { model, grammars = 'ask' } = options;
  return {
    name: `${model.provider} ${model.modelId}`,
    async generate({
      system,
      prompt,
      maxTokens = 256,
      temperature = 0,
      seed,
      stop,
      grammar,
      signal,
    }) {
      const takesGrammar = model.provider === providerName;
      if (grammar !== undefined && !takesGrammar && grammars === 'refuse') {
        throw new SamplingError(`${model.provider} ${model.modelId} cannot be bound to a grammar.`);
      }
      const { content, finishReason, usage } = await model.doGenerate({
        prompt: [
          ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
          { role: 'user', content: [{ type: 'text', text: prompt }] },
        ],
        maxOutputTokens: maxTokens,
        temperature,
        ...(seed !== undefined && { seed }),
        ...(stop && { stopSequences: [...stop] }),
        ...(grammar !== undefined &&
          takesGrammar && { providerOptions: { chunkweave: { grammar } } }),
        ...(signal && { abortSignal: signal }),
      });
      return {
        text: content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join(''),
        finishReason: finishReason.unified === 'length' ? 'length' : 'stop',
        usage: {
          promptTokens: usage.inputTokens.total ?? 0,
          generatedTokens: usage.outputTokens.total ?? 0,
        },
      };
    },
  };
}
