import { type JsonSchema, JsonSchemaRules } from './json-schema-rules.js';

export interface JsonGrammar {
  /** GBNF. */
  readonly grammar: string;
  /** What the schema asks for that the grammar does not hold to: check the answer. */
  readonly notes: readonly string[];
}

/**
 * A grammar whose every text is JSON of the schema, beside what the notes say: objects, arrays, strings with lengths, numbers,
 * enum, const, anyOf, allOf of objects, and `$ref` in the schema itself. Default any JSON object.
 *
 * @throws SamplingError for a schema that nothing meets, or that cannot be put as a grammar.
 */
export function jsonSchemaGrammar(schema: JsonSchema = { type: 'object' }): JsonGrammar {
  const rules = new JsonSchemaRules();
  const value = rules.add(schema);
  return { grammar: rules.grammar(value), notes: rules.notes };
}
