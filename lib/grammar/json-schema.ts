import { SamplingError } from '../errors.js';

/** A JSON schema as data. */
export type JsonSchema = boolean | SchemaObject;

export type SchemaObject = { readonly [keyword: string]: unknown };

/** Keywords that do not restrict a value. */
export const silentKeywords: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  '$anchor',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
]);

/** Keywords that restrict values of one type only: a grammar knows them where it writes that type. */
export const typeKeywords = {
  object: ['properties', 'required', 'additionalProperties', 'propertyNames'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
} as const;

/** Keywords of one type that no grammar is made for. */
const hardKeywords: Readonly<Record<string, readonly string[]>> = {
  object: [
    'minProperties',
    'maxProperties',
    'patternProperties',
    'dependencies',
    'dependentRequired',
    'dependentSchemas',
    'unevaluatedProperties',
  ],
  array: [
    'uniqueItems',
    'contains',
    'minContains',
    'maxContains',
    'unevaluatedItems',
    'additionalItems',
  ],
  string: ['pattern'],
  number: [],
};

/** The type that has a keyword to itself; undefined where it restricts values of any type. */
export function typeOfKeyword(keyword: string): string | undefined {
  for (const [type, known] of Object.entries(typeKeywords)) {
    if ((known as readonly string[]).includes(keyword)) return type;
    if (hardKeywords[type]?.includes(keyword)) return type;
  }
  return undefined;
}

export function isSchema(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The type that a schema without `type` is about; undefined where that is any. */
export function impliedType(schema: SchemaObject): string | undefined {
  for (const name of Object.keys(schema)) {
    const type = typeOfKeyword(name);
    if (type) return type;
  }
  return undefined;
}

/** The JSON type of a value, as `type` names it. */
export function hasType(value: unknown, type: unknown): boolean {
  const types = Array.isArray(type) ? type : [type];
  return types.some((each: unknown) => {
    if (each === 'null') return value === null;
    if (each === 'array') return Array.isArray(value);
    if (each === 'object') return isSchema(value);
    if (each === 'integer') return Number.isInteger(value);
    return typeof value === each;
  });
}

/** @throws SamplingError for a reference that leads nowhere. */
export function lookUp(reference: string, root: JsonSchema): JsonSchema {
  if (reference !== '#' && !reference.startsWith('#/')) {
    throw new SamplingError(
      `The JSON schema refers to ${reference}; only places in the schema itself can be.`,
    );
  }
  let found: unknown = root;
  for (const part of reference.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    const isThere = typeof found === 'object' && found !== null && Object.hasOwn(found, key);
    found = isThere ? (found as Record<string, unknown>)[key] : undefined;
  }
  if (found === undefined) {
    throw new SamplingError(`The JSON schema refers to ${reference}, which it does not have.`);
  }
  return found as JsonSchema;
}
