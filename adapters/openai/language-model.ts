import { SamplingError } from '../../lib/errors.js';
import type { LanguageModel } from '../../lib/language-model.js';
import { complete, takesGrammar } from './completion.js';
import { connectionOf, type OpenAiOptions } from './options.js';

export interface OpenAiLanguageModelOptions extends OpenAiOptions {
  /**
   * When an answer must follow a grammar and the server takes none: `ask` (default) asks without it, since those who bring
   * one read the answer with care; `refuse` fails with SamplingError.
   */
  readonly grammars?: 'ask' | 'refuse';
}

/**
 * A model behind an OpenAI-compatible API as a {@link LanguageModel}: for chunkers, enrichment and judges.
 * @throws InvalidArgumentError
 */
export function openAiLanguageModel(options: OpenAiLanguageModelOptions): LanguageModel {
  const connection = connectionOf(options);
  const { grammars = 'ask' } = options;
  return {
    name: connection.model,
    async generate({ system, prompt, grammar, ...asked }) {
      const isBound = takesGrammar(connection);
      if (grammar !== undefined && !isBound && grammars === 'refuse') {
        throw new SamplingError(`The server of ${connection.model} cannot be bound to a grammar.`);
      }
      const messages = [
        ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
        { role: 'user' as const, content: prompt },
      ];
      const { text, finishReason, usage, firstToken } = await complete(
        connection,
        { form: 'messages', messages },
        { ...asked, ...(grammar !== undefined && isBound && { grammar }) },
      );
      return {
        text,
        finishReason,
        usage: { promptTokens: usage?.prompt ?? 0, generatedTokens: usage?.generated ?? 0 },
        ...(firstToken && { firstToken }),
      };
    },
  };
}
