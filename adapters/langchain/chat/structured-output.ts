import type {
  BaseLanguageModelInput,
  StructuredOutputMethodOptions,
} from '@langchain/core/language_models/base';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import {
  assembleStructuredOutputPipeline,
  createContentParser,
} from '@langchain/core/language_models/structured_output';
import type { Runnable } from '@langchain/core/runnables';
import { toJsonSchema } from '@langchain/core/utils/json_schema';
import type { JsonSchema } from '../../../lib/grammar/json-schema.js';
import { jsonSchemaGrammar } from '../../../lib/grammar/json-schema-grammar.js';
import { InvalidArgumentError } from '../../../lib/errors.js';

/**
 * A model whose answers are JSON of a schema: the sampler keeps to a grammar made of it, so the form needs no luck. What
 * a grammar cannot say, such as a refinement, is checked afterwards where the schema is one of zod.
 *
 * @throws SamplingError for a JSON schema that no grammar can be made of, InvalidArgumentError for another method.
 */
export function structuredOutput<Output extends Record<string, unknown>>(
  model: BaseChatModel,
  schema: Parameters<BaseChatModel['withStructuredOutput']>[0],
  config: StructuredOutputMethodOptions<boolean> = {},
): Runnable<BaseLanguageModelInput, Output> {
  const { method = 'jsonSchema', includeRaw = false, name } = config;
  if (method === 'functionCalling') {
    throw new InvalidArgumentError(
      `Structured output needs no function call: answers keep to the schema by a grammar. Leave out method: 'functionCalling'.`,
    );
  }
  const { grammar } = jsonSchemaGrammar(
    toJsonSchema(schema as Parameters<typeof toJsonSchema>[0]) as JsonSchema,
  );
  const bound = model.withConfig({ grammar } as Parameters<BaseChatModel['withConfig']>[0]);
  const parser = createContentParser<Output>(schema as Record<string, unknown>);
  return assembleStructuredOutputPipeline<Output>(
    bound,
    parser,
    includeRaw,
    name ?? 'StructuredOutput',
  ) as Runnable<BaseLanguageModelInput, Output>;
}
