import { InvalidArgumentError } from '../errors.js';
import type { JsonSchema } from './json-schema.js';
import { SchemaRules } from './schema-rules.js';

export interface JsonGrammarOptions {
  /**
   * What happens where the schema asks for what no grammar can hold to, such as a pattern or unique items. `refuse`
   * (default) throws; `widen` leaves it out and says so in the notes, so that the answer is to be checked.
   */
  readonly beyond?: 'refuse' | 'widen';
}

export interface JsonGrammar {
  /** GBNF. */
  readonly grammar: string;
  /** What the schema asks for that the grammar does not hold to: check the answer. Empty unless it was widened. */
  readonly notes: readonly string[];
}

/**
 * A grammar whose every text is JSON of the schema, beside what the notes say. Values have their properties in the order of
 * the schema, known ones only, and at most one space in a place. Where a schema has few values, as a judge's verdict does, the
 * grammar is a choice of their texts.
 *
 * Held to: `type` (also a list), `properties`, `required`, `additionalProperties` for maps, `items`, `prefixItems`, `minItems`,
 * `maxItems`, `minLength`, `maxLength`, `format` (date, time, date-time, uuid), bounds of integers, a minimum of 0 of numbers,
 * `enum`, `const`, `anyOf`, `oneOf` of alternatives that exclude each other, `allOf` of objects, and `$ref` in the schema
 * itself. Default any JSON object.
 *
 * @throws SamplingError that names the place: for a schema that no value meets or that is none, and with `refuse` for whatever
 * else restricts a value. InvalidArgumentError for another `beyond`.
 */
export function jsonSchemaGrammar(
  schema: JsonSchema = { type: 'object' },
  { beyond = 'refuse' }: JsonGrammarOptions = {},
): JsonGrammar {
  if (beyond !== 'refuse' && beyond !== 'widen') {
    throw new InvalidArgumentError(`beyond is ${String(beyond)}; give 'refuse' or 'widen'.`);
  }
  const rules = new SchemaRules(beyond);
  const value = rules.add(schema);
  return { grammar: rules.grammar(value), notes: rules.notes };
}
