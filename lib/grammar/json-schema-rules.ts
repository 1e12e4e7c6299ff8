import { SamplingError } from '../errors.js';

/** A JSON schema as data. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Most repetitions that a GBNF grammar may have in one place. */
const mostRepeats = 2000;

/** What a grammar of this kind cannot hold to: the answer may break it, so the caller checks and is told. */
const loose = [
  'pattern',
  'format',
  'multipleOf',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'patternProperties',
  'propertyNames',
  'contains',
  'dependentRequired',
  'dependentSchemas',
];
/** What would make most of the grammar's answers wrong if it were left out. */
const refused = ['not', 'if', 'dependencies', 'prefixItems', '$dynamicRef'];

const basics: Readonly<Record<string, string>> = {
  ws: '" "?',
  char: String.raw`[^"\\\x01-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})`,
  string: String.raw`"\"" char* "\""`,
  natural: '"0" | [1-9] [0-9]{0,14}',
  integer: '"-"? natural',
  // So that no number reads as infinite.
  fraction: '("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  number: 'integer fraction',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  member: 'string ":" ws value',
  object: '"{" ws (member ("," ws member)*)? ws "}"',
  array: '"[" ws (value ("," ws value)*)? ws "]"',
};

/**
 * Rules of a GBNF grammar for values of JSON schemas. Objects have their properties in the order of the schema, known ones
 * only; whitespace is at most one space, so that a model cannot go on with it forever.
 */
export class JsonSchemaRules {
  readonly #rules = new Map<string, string>();
  readonly #notes = new Set<string>();
  readonly #references = new Map<unknown, Map<string, string>>();
  #count = 0;

  /** What the grammar does not hold to. */
  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /**
   * Adds a rule for values of the schema and gives its name.
   * @param root what `$ref` is looked up in
   * @throws SamplingError for a schema that no value meets, or that cannot be put as a grammar
   */
  add(schema: JsonSchema, root: JsonSchema = schema): string {
    return this.#named(this.#value(schema, root, 'The value'));
  }

  /** The grammar with this body as its root. */
  grammar(body: string): string {
    return [
      `root ::= ${body}`,
      ...Array.from(this.#rules, ([name, rule]) => `${name} ::= ${rule}`),
    ].join('\n');
  }

  #value(schema: JsonSchema, root: JsonSchema, place: string): string {
    if (schema === true) return this.#basic('value');
    if (schema === false)
      throw new SamplingError(`${place} may have no value at all by its schema.`);
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
      throw new SamplingError(`${place} has no schema: give an object or a boolean.`);
    }
    for (const keyword of refused) {
      if (schema[keyword] === undefined) continue;
      throw new SamplingError(
        `${place} has a schema with "${keyword}", which no grammar is made for. Use anyOf, enum or plain properties.`,
      );
    }
    for (const keyword of loose) {
      if (schema[keyword] !== undefined) this.#note(place, keyword, schema[keyword]);
    }
    if (typeof schema['$ref'] === 'string') return this.#reference(schema['$ref'], root);
    if ('const' in schema) return literal(JSON.stringify(schema['const']));
    if (Array.isArray(schema['enum'])) {
      if (schema['enum'].length === 0) throw new SamplingError(`${place} has an empty enum.`);
      return alternatives(schema['enum'].map((one) => literal(JSON.stringify(one))));
    }
    for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
      const parts = schema[keyword] as readonly JsonSchema[] | undefined;
      if (!Array.isArray(parts)) continue;
      if (parts.length === 0) throw new SamplingError(`${place} has an empty ${keyword}.`);
      if (keyword === 'allOf' && parts.length > 1)
        return this.#value(merged(parts, root, place), root, place);
      return alternatives(parts.map((part) => this.#named(this.#value(part, root, place))));
    }
    const types = Array.isArray(schema['type'])
      ? schema['type']
      : [schema['type'] ?? guess(schema)];
    return alternatives(types.map((type) => this.#ofType(type, schema, root, place)));
  }

  #ofType(
    type: unknown,
    schema: { readonly [keyword: string]: unknown },
    root: JsonSchema,
    place: string,
  ): string {
    switch (type) {
      case 'object':
        return this.#object(schema, root, place);
      case 'array':
        return this.#array(schema, root, place);
      case 'string': {
        const { minLength: least, maxLength: most } = schema;
        if (least === undefined && most === undefined) return this.#basic('string');
        return `"\\"" ${this.#basic('char')}${this.#times(least, most, place)} "\\""`;
      }
      case 'integer':
      case 'number': {
        for (const keyword of ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']) {
          const bound = schema[keyword];
          // Zod writes the bounds of exact integers; the grammar's are narrower.
          if (bound === undefined || Math.abs(Number(bound)) >= Number.MAX_SAFE_INTEGER) continue;
          if (!(keyword === 'minimum' && bound === 0)) this.#note(place, keyword, bound);
        }
        const whole = this.#basic(Number(schema['minimum'] ?? -1) >= 0 ? 'natural' : 'integer');
        return type === 'integer' ? whole : `${whole} ${this.#basic('fraction')}`;
      }
      case 'boolean':
      case 'null':
      case 'value':
        return this.#basic(type);
      default:
        throw new SamplingError(
          `${place} has the type ${JSON.stringify(type)}, which JSON does not have.`,
        );
    }
  }

  #object(
    schema: { readonly [keyword: string]: unknown },
    root: JsonSchema,
    place: string,
  ): string {
    const ws = this.#basic('ws');
    const properties = (schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
    const required = new Set((schema['required'] ?? []) as readonly string[]);
    const names = [...new Set([...Object.keys(properties), ...required])];
    if (names.length === 0) {
      const others = (schema['additionalProperties'] ?? true) as JsonSchema;
      if (others === false) return `"{" ${ws} "}"`;
      if (others === true) return this.#basic('object');
      const value = this.#named(this.#value(others, root, `A property of ${place}`));
      const member = this.#named(`${this.#basic('string')} ":" ${ws} ${value}`);
      return `"{" ${ws} (${member} ("," ${ws} ${member})*)? ${ws} "}"`;
    }
    // From the last property on: what may follow once a property was written, and before any was.
    let afterSome = '""';
    let afterNone = '""';
    for (const name of names.toReversed()) {
      const value = this.#named(this.#value(properties[name] ?? true, root, `"${name}"`));
      const member = this.#named(`${literal(JSON.stringify(name))} ":" ${ws} ${value}`);
      const next = `"," ${ws} ${member} ${afterSome}`;
      const first = `${member} ${afterSome}`;
      const optional = !required.has(name);
      afterSome = this.#named(optional ? `${next} | ${afterSome}` : next);
      afterNone = this.#named(optional ? `${first} | ${afterNone}` : first);
    }
    return `"{" ${ws} ${afterNone} ${ws} "}"`;
  }

  #array(schema: { readonly [keyword: string]: unknown }, root: JsonSchema, place: string): string {
    const ws = this.#basic('ws');
    const { minItems: least = 0, maxItems: most } = schema;
    if (most === 0) return `"[" ${ws} "]"`;
    const items = (schema['items'] ?? true) as JsonSchema;
    if (Array.isArray(items)) {
      throw new SamplingError(
        `${place} has a list of schemas for its items. Give one schema for all.`,
      );
    }
    const item = this.#named(this.#value(items, root, `An item of ${place}`));
    const more = this.#times(
      Math.max(0, Number(least) - 1),
      most === undefined ? undefined : Number(most) - 1,
      place,
    );
    const list = `${item} ("," ${ws} ${item})${more}`;
    return least === 0 ? `"[" ${ws} (${list})? ${ws} "]"` : `"[" ${ws} ${list} ${ws} "]"`;
  }

  #times(least: unknown = 0, most: unknown, place: string): string {
    const [from, to] = [Number(least), most === undefined ? Infinity : Number(most)];
    const isSound =
      Number.isInteger(from) && from >= 0 && (to === Infinity || Number.isInteger(to));
    if (!isSound || to < from) {
      throw new SamplingError(
        `${place} is bound to from ${String(least)} to ${String(most)}, which nothing can meet.`,
      );
    }
    if (from > mostRepeats) {
      throw new SamplingError(
        `${place} has at least ${from} parts; a grammar holds to ${mostRepeats}.`,
      );
    }
    if (to <= mostRepeats) return `{${from},${to}}`;
    if (to !== Infinity) this.#note(place, 'most', to);
    return `{${from},}`;
  }

  #reference(reference: string, root: JsonSchema): string {
    const known = this.#references.get(root) ?? new Map<string, string>();
    this.#references.set(root, known);
    const name = known.get(reference);
    if (name !== undefined) return name;
    const made = `ref-${++this.#count}`;
    known.set(reference, made);
    const body = this.#value(lookUp(reference, root), root, `"${reference}"`);
    this.#rules.set(made, body);
    return made;
  }

  #named(body: string): string {
    if (/^[a-z][a-z0-9-]*$/.test(body)) return body;
    const name = `rule-${++this.#count}`;
    this.#rules.set(name, body);
    return name;
  }

  #basic(name: string): string {
    const body = basics[name];
    if (body !== undefined && !this.#rules.has(name)) {
      this.#rules.set(name, body);
      for (const [word] of body
        .replace(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]/g, ' ')
        .matchAll(/[a-z]+/g)) {
        this.#basic(word);
      }
    }
    return name;
  }

  #note(place: string, keyword: string, value: unknown): void {
    this.#notes.add(
      `${place}: the grammar does not hold to ${keyword} ${JSON.stringify(value) ?? ''}; check the answer.`,
    );
  }
}

function guess(schema: { readonly [keyword: string]: unknown }): string {
  if ('properties' in schema || 'required' in schema || 'additionalProperties' in schema)
    return 'object';
  if ('items' in schema || 'minItems' in schema || 'maxItems' in schema) return 'array';
  if ('minLength' in schema || 'maxLength' in schema || 'pattern' in schema) return 'string';
  if ('minimum' in schema || 'maximum' in schema) return 'number';
  return 'value';
}

/** Object schemas that all hold, as one. */
function merged(parts: readonly JsonSchema[], root: JsonSchema, place: string): JsonSchema {
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  for (const part of parts) {
    const whole =
      typeof part === 'object' && typeof part['$ref'] === 'string'
        ? lookUp(part['$ref'], root)
        : part;
    const isPlain =
      typeof whole === 'object' &&
      (whole['type'] ?? guess(whole)) === 'object' &&
      Object.keys(whole).every((key) =>
        ['type', 'properties', 'required', 'additionalProperties', 'title', 'description'].includes(
          key,
        ),
      );
    const own = isPlain ? ((whole['properties'] ?? {}) as Record<string, unknown>) : {};
    if (!isPlain || Object.keys(own).some((name) => Object.hasOwn(properties, name))) {
      throw new SamplingError(
        `${place} has an allOf of other than objects with properties of their own. Write it as one schema.`,
      );
    }
    Object.assign(properties, own);
    required.push(...((whole['required'] ?? []) as string[]));
  }
  return { type: 'object', properties, required };
}

function lookUp(reference: string, root: JsonSchema): JsonSchema {
  let found: unknown = root;
  if (reference !== '#') {
    if (!reference.startsWith('#/')) {
      throw new SamplingError(
        `The schema refers to ${reference}; only places in the schema itself can be.`,
      );
    }
    for (const part of reference.slice(2).split('/')) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      found =
        typeof found === 'object' && found !== null && Object.hasOwn(found, key)
          ? (found as Record<string, unknown>)[key]
          : undefined;
    }
  }
  if (found === undefined)
    throw new SamplingError(`The schema refers to ${reference}, which it does not have.`);
  return found as JsonSchema;
}

function alternatives(bodies: readonly string[]): string {
  return bodies.length === 1 ? (bodies[0] as string) : `(${bodies.join(' | ')})`;
}

/** A text as a GBNF literal. */
export function literal(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
