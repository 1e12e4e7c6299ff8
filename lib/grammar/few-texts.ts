import { hasType, isSchema, silentKeywords } from './json-schema.js';

/** Values of a schema that are written out one by one. */
const mostTexts = 64;

/**
 * All JSON texts of a schema where it has few: constants, lists of them, booleans, and objects of those, written without
 * spaces. A grammar of them is a choice of literals.
 */
export function fewTexts(schema: unknown): string[] | undefined {
  if (!isSchema(schema)) return undefined;
  const names = Object.keys(schema).filter((name) => !silentKeywords.has(name));
  const within = (...known: string[]) => names.every((name) => known.includes(name));
  const { enum: listed, properties, required, type } = schema;
  const ofType = (value: unknown) => type === undefined || hasType(value, type);
  if ('const' in schema && within('const', 'type')) {
    return ofType(schema['const']) ? [JSON.stringify(schema['const'])] : undefined;
  }
  if (Array.isArray(listed) && within('enum', 'type')) {
    const texts = listed.filter(ofType).map((value) => JSON.stringify(value));
    return texts.length > 0 && texts.length <= mostTexts ? [...new Set(texts)] : undefined;
  }
  if (!isSchema(properties) || !within('type', 'properties', 'required', 'additionalProperties')) {
    return undefined;
  }
  if (type !== undefined && type !== 'object') return undefined;
  const needed = new Set(Array.isArray(required) ? required : []);
  const entries = Object.entries(properties);
  if (entries.length === 0 || entries.length !== needed.size) return undefined;
  let all: string[][] = [[]];
  for (const [name, value] of entries) {
    const texts = fewTexts(value);
    if (!texts || !needed.has(name) || all.length * texts.length > mostTexts) return undefined;
    all = all.flatMap((head) => texts.map((text) => [...head, `${JSON.stringify(name)}:${text}`]));
  }
  return all.map((pairs) => `{${pairs.join(',')}}`);
}
