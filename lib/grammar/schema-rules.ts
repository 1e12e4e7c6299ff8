import { SamplingError } from '../errors.js';
import { areDisjoint } from './disjoint.js';
import { fewTexts } from './few-texts.js';
import { alternatives, formatRules, grouped, literal, mostRepeats, sharedRules } from './gbnf.js';
import { integerRange } from './integer-range.js';
import {
  hasType,
  impliedType,
  isSchema,
  type JsonSchema,
  lookUp,
  type SchemaObject,
  silentKeywords,
  typeKeywords,
  typeOfKeyword,
} from './json-schema.js';

/** Where a schema stands. */
interface Place {
  /** JSON pointer. */
  readonly at: string;
  /** What `$ref` is looked up in. */
  readonly root: JsonSchema;
}

/**
 * Rules of a GBNF grammar for values of JSON schemas. Objects have their properties in the order of the schema, known ones
 * only; what a grammar cannot hold to is refused, or left out and noted.
 */
export class SchemaRules {
  readonly #widen: boolean;
  readonly #rules = new Map<string, string>();
  readonly #notes = new Set<string>();
  readonly #references = new Map<JsonSchema, Map<string, string>>();
  #count = 0;

  /** @param beyond what happens with what the grammar cannot hold to */
  constructor(beyond: 'refuse' | 'widen') {
    this.#widen = beyond === 'widen';
  }

  /** What the grammar does not hold to. */
  get notes(): readonly string[] {
    return [...this.#notes];
  }

  /**
   * An expression that matches the values of a schema.
   * @throws SamplingError for a schema that no value meets, that is none, or (with `refuse`) that asks for more than a
   * grammar can hold to
   */
  add(schema: JsonSchema): string {
    return this.#expression(schema, { at: '#', root: schema });
  }

  /** The grammar with this expression as its root. */
  grammar(body: string): string {
    return [
      `root ::= ${body}`,
      ...Array.from(this.#rules, ([name, rule]) => `${name} ::= ${rule}`),
    ].join('\n');
  }

  #expression(schema: unknown, place: Place): string {
    const { at, root } = place;
    if (schema === true) return this.#use('value');
    if (schema === false) throw impossible(at, 'may have no value at all');
    if (!isSchema(schema)) throw impossible(at, `is ${JSON.stringify(schema)}, which is no schema`);
    const texts = fewTexts(schema);
    if (texts) return texts.map(literal).join(' | ');
    const { type } = schema;
    if ('const' in schema || schema['enum'] !== undefined) return this.#listed(schema, at);
    if (schema['$ref'] !== undefined) {
      this.#holdsOnlyTo(schema, at, ['$ref']);
      return this.#reference(String(schema['$ref']), root);
    }
    for (const name of ['anyOf', 'oneOf', 'allOf'] as const) {
      if (schema[name] !== undefined) return this.#combined(schema, name, place);
    }
    const types = Array.isArray(type) ? type : [type ?? impliedType(schema)];
    if (types.length === 0) throw impossible(at, 'has an empty list of types');
    const known = types.flatMap((each) =>
      Object.hasOwn(typeKeywords, keywordType(each))
        ? typeKeywords[keywordType(each) as 'object']
        : [],
    );
    // Keywords of types that it does not have restrict nothing.
    const applies = (name: string) => {
      const of = typeOfKeyword(name);
      return of === undefined || types.some((each) => keywordType(each) === of);
    };
    this.#holdsOnlyTo(schema, at, ['type', ...known], applies);
    return alternatives(types.map((each) => this.#typed(each, schema, place)));
  }

  #listed(schema: SchemaObject, at: string): string {
    const { enum: listed, type } = schema;
    this.#holdsOnlyTo(schema, at, ['const', 'enum', 'type']);
    if (listed !== undefined && !Array.isArray(listed))
      throw impossible(at, 'has an enum that is no list');
    const values = 'const' in schema ? [schema['const']] : ((listed ?? []) as readonly unknown[]);
    const fitting = values.filter(
      (value) =>
        (type === undefined || hasType(value, type)) &&
        (!Array.isArray(listed) ||
          listed.some((one) => JSON.stringify(one) === JSON.stringify(value))),
    );
    if (fitting.length === 0) {
      throw impossible(
        at,
        values.length === 0 ? 'has an empty enum' : 'lists no value of its type',
      );
    }
    return fitting.map((value) => literal(JSON.stringify(value))).join(' | ');
  }

  #combined(schema: SchemaObject, name: 'anyOf' | 'oneOf' | 'allOf', { at, root }: Place): string {
    const parts = schema[name];
    if (!Array.isArray(parts) || parts.length === 0) throw impossible(at, `has an empty ${name}`);
    this.#holdsOnlyTo(schema, at, [name]);
    if (name === 'allOf' && parts.length > 1) {
      return this.#expression(this.#merged(parts as JsonSchema[], { at, root }), { at, root });
    }
    if (name === 'oneOf' && !areDisjoint(parts as JsonSchema[], root)) {
      this.#beyond(at, 'oneOf', 'alternatives that one value may meet together');
    }
    return alternatives(
      parts.map((part, i) => this.#expression(part, { at: `${at}/${name}/${i}`, root })),
    );
  }

  #typed(type: unknown, schema: SchemaObject, place: Place): string {
    switch (type) {
      case 'object':
        return this.#object(schema, place);
      case 'array':
        return this.#array(schema, place);
      case 'string':
        return this.#string(schema, place.at);
      case 'integer':
      case 'number':
        return this.#number(schema, type, place.at);
      case 'boolean':
      case 'null':
        return this.#use(type);
      case undefined:
        return this.#use('value');
      default:
        throw impossible(
          place.at,
          `has the type ${JSON.stringify(type)}, which JSON does not have`,
        );
    }
  }

  #object(schema: SchemaObject, { at, root }: Place): string {
    const ws = this.#use('ws');
    const { properties = {}, propertyNames, additionalProperties: others = true } = schema;
    const required = new Set((schema['required'] ?? []) as readonly string[]);
    if (propertyNames !== undefined && JSON.stringify(propertyNames) !== '{"type":"string"}') {
      this.#beyond(at, 'propertyNames', propertyNames);
    }
    const known = properties as Readonly<Record<string, unknown>>;
    const names = [...new Set([...Object.keys(known), ...required])];
    if (names.length === 0) {
      if (others === false) return `"{" ${ws} "}"`;
      if (others === true) return this.#use('object');
      const value = this.#expression(others, { at: `${at}/additionalProperties`, root });
      const member = this.#named('member', `${this.#use('string')} ":" ${ws} ${grouped(value)}`);
      return `"{" ${ws} (${member} ("," ${ws} ${member})*)? ${ws} "}"`;
    }
    // From the last property on: what may follow once a property was written, and before any was.
    let afterSome = '';
    let afterNone = '';
    for (const name of names.toReversed()) {
      const isKnown = Object.hasOwn(known, name);
      const inside = isKnown ? `${at}/properties/${name}` : `${at}/additionalProperties`;
      const value = this.#expression(isKnown ? known[name] : others, { at: inside, root });
      const label = literal(JSON.stringify(name));
      const member = this.#named('member', `${label} ":" ${ws} ${grouped(value)}`);
      const next = joined(`"," ${ws} ${member}`, afterSome);
      const first = joined(member, afterSome);
      const isOptional = !required.has(name);
      // Rules of their own, or the text would grow with the square of the number of properties.
      afterNone = this.#named('first', isOptional ? either(first, afterNone) : first);
      afterSome = this.#named('later', isOptional ? either(next, afterSome) : next);
    }
    return `"{" ${ws} ${afterNone} ${ws} "}"`;
  }

  #array(schema: SchemaObject, { at, root }: Place): string {
    const ws = this.#use('ws');
    const { items = true, prefixItems = [] } = schema;
    const least = countOf(schema['minItems'] ?? 0, at, 'minItems');
    const most =
      schema['maxItems'] === undefined ? Infinity : countOf(schema['maxItems'], at, 'maxItems');
    if (most < least)
      throw impossible(at, `has from ${least} to ${most} items, which nothing can meet`);
    if (Array.isArray(items) || !Array.isArray(prefixItems)) {
      throw impossible(
        at,
        'has a list of schemas in "items"; one schema for all, or "prefixItems", is possible',
      );
    }
    const heads = prefixItems
      .slice(0, most)
      .map((item, i) => grouped(this.#expression(item, { at: `${at}/prefixItems/${i}`, root })));
    // What stands before the others is always written; others need not follow it.
    const from = Math.max(0, least - heads.length);
    const hasOthers = items !== false && heads.length < most && (heads.length === 0 || from > 0);
    if (!hasOthers) {
      if (from > 0) throw impossible(at, `needs ${least} items and allows ${heads.length}`);
      const list = heads.join(` "," ${ws} `);
      return list === '' ? `"[" ${ws} "]"` : `"[" ${ws} ${list} ${ws} "]"`;
    }
    const item = this.#named('item', this.#expression(items, { at: `${at}/items`, root }));
    const comma = `"," ${ws}`;
    if (heads.length > 0) {
      const rest = `(${comma} ${item})${this.#times(from, most - heads.length, at, 'maxItems')}`;
      return `"[" ${ws} ${heads.join(` ${comma} `)} ${rest} ${ws} "]"`;
    }
    const more = this.#times(Math.max(0, least - 1), most - 1, at, 'maxItems');
    const list = `${item} (${comma} ${item})${more}`;
    return least === 0 ? `"[" ${ws} (${list})? ${ws} "]"` : `"[" ${ws} ${list} ${ws} "]"`;
  }

  #string({ minLength, maxLength, format }: SchemaObject, at: string): string {
    const hasLength = minLength !== undefined || maxLength !== undefined;
    const rule = format === undefined ? undefined : formatRules[String(format)];
    if (format !== undefined && (rule === undefined || hasLength)) {
      this.#beyond(at, rule === undefined ? 'format' : 'format beside a length', format);
    } else if (rule !== undefined) {
      for (const [name] of rule.matchAll(/\b(?:date|time|uuid)\b/g)) this.#use(name);
      return String.raw`"\"" ${grouped(rule)} "\""`;
    }
    if (!hasLength) return this.#use('string');
    const least = countOf(minLength ?? 0, at, 'minLength');
    const most = maxLength === undefined ? Infinity : wholeOf(maxLength, at, 'maxLength');
    if (most < least) {
      throw impossible(at, `has from ${least} to ${most} characters, which nothing can meet`);
    }
    return String.raw`"\"" ${this.#use('char')}${this.#times(least, most, at, 'maxLength')} "\""`;
  }

  #number(schema: SchemaObject, type: 'integer' | 'number', at: string): string {
    const { multipleOf } = schema;
    const isInteger = type === 'integer' || multipleOf === 1;
    if (multipleOf !== undefined && multipleOf !== 1) this.#beyond(at, 'multipleOf', multipleOf);
    const [least, over] = [
      boundOf(schema['minimum'], -Infinity),
      boundOf(schema['exclusiveMinimum'], -Infinity),
    ];
    const [most, under] = [
      boundOf(schema['maximum'], Infinity),
      boundOf(schema['exclusiveMaximum'], Infinity),
    ];
    if (isInteger) {
      const low = Math.max(least, Math.floor(over) + 1);
      const high = Math.min(most, Math.ceil(under) - 1);
      if (low === -Infinity && high === Infinity) return this.#use('integer');
      if (low === 0 && high === Infinity) return this.#use('natural');
      const range = integerRange(low, high);
      if (range === undefined) throw impossible(at, `allows no integer from ${low} to ${high}`);
      return fewIntegers(low, high) ?? range;
    }
    if (most < least || most <= over || under <= least || under <= over) {
      throw impossible(at, 'has bounds that no number meets');
    }
    const isPositive = least >= 0 || over >= 0;
    for (const name of typeKeywords.number) {
      const bound = schema[name];
      if (name === 'multipleOf' || !Number.isFinite(boundOf(bound, Infinity))) continue;
      if (name === 'minimum' && bound === 0) continue;
      this.#beyond(at, name, bound);
    }
    return this.#use(isPositive ? 'magnitude' : 'number');
  }

  #times(least: number, most: number, at: string, keyword: string): string {
    if (most <= mostRepeats) return `{${least},${most}}`;
    if (most !== Infinity) this.#beyond(at, keyword, most);
    return `{${least},}`;
  }

  /** Object schemas that all hold, as one. */
  #merged(parts: readonly JsonSchema[], { at, root }: Place): SchemaObject {
    const properties: Record<string, unknown> = {};
    const required: unknown[] = [];
    for (const part of parts) {
      let whole: JsonSchema = part;
      for (
        let steps = 0;
        steps < 16 && isSchema(whole) && typeof whole['$ref'] === 'string';
        steps++
      ) {
        whole = lookUp(whole['$ref'], root);
      }
      const known = ['type', 'properties', 'required', 'additionalProperties'];
      const isPlain =
        isSchema(whole) &&
        (whole['type'] ?? impliedType(whole)) === 'object' &&
        [undefined, true].includes(whole['additionalProperties'] as undefined) &&
        Object.keys(whole).every((key) => known.includes(key) || silentKeywords.has(key));
      const own = isPlain ? (((whole as SchemaObject)['properties'] ?? {}) as SchemaObject) : {};
      if (!isPlain || Object.keys(own).some((name) => Object.hasOwn(properties, name))) {
        throw impossible(
          at,
          'has an allOf of other than open objects with properties of their own; write it as one schema',
        );
      }
      Object.assign(properties, own);
      required.push(...(((whole as SchemaObject)['required'] ?? []) as unknown[]));
    }
    return { type: 'object', properties, required };
  }

  #reference(reference: string, root: JsonSchema): string {
    const known = this.#references.get(root) ?? new Map<string, string>();
    this.#references.set(root, known);
    const name = known.get(reference);
    if (name !== undefined) return name;
    const made = `ref-${this.#count++}`;
    // Before its body: that may refer to it.
    known.set(reference, made);
    this.#rules.set(made, this.#expression(lookUp(reference, root), { at: reference, root }));
    return made;
  }

  #named(kind: string, body: string): string {
    if (/^[a-z][a-z0-9-]*$/.test(body) || body === '') return body;
    const name = `${kind}-${this.#count++}`;
    this.#rules.set(name, body);
    return name;
  }

  #use(name: string): string {
    if (this.#rules.has(name)) return name;
    const body = sharedRules[name] as string;
    this.#rules.set(name, body);
    const words = body.replaceAll(/"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]/g, ' ');
    for (const [word] of words.matchAll(/[a-z]+/g)) {
      if (Object.hasOwn(sharedRules, word)) this.#use(word);
    }
    return name;
  }

  /** Every keyword that is not known here and restricts the value is beyond the grammar. */
  #holdsOnlyTo(
    schema: SchemaObject,
    at: string,
    known: readonly string[],
    applies: (name: string) => boolean = () => true,
  ): void {
    for (const [name, value] of Object.entries(schema)) {
      if (known.includes(name) || silentKeywords.has(name) || value === undefined) continue;
      if (applies(name)) this.#beyond(at, name, value);
    }
  }

  /** @throws SamplingError unless the grammar may be wider than the schema. */
  #beyond(at: string, keyword: string, value: unknown): void {
    const shown = JSON.stringify(value) ?? '';
    const what = `${keyword} ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}`;
    if (!this.#widen) {
      throw new SamplingError(
        `No grammar can hold to the JSON schema: ${at} has ${what}. Leave it out and check the answer, or let the grammar be wider with { beyond: 'widen' }.`,
      );
    }
    this.#notes.add(`${at}: the grammar does not hold to ${what}; check the answer.`);
  }
}

function keywordType(type: unknown): string {
  return type === 'integer' ? 'number' : String(type);
}

/** Small ranges as literals. */
function fewIntegers(low: number, high: number): string | undefined {
  const [from, to] = [Math.ceil(low), Math.floor(high)];
  if (!(to - from < 16)) return undefined;
  return Array.from({ length: to - from + 1 }, (_, i) => literal(String(from + i))).join(' | ');
}

/** Bounds of all the integers that a number can hold are none. */
function boundOf(value: unknown, none: number): number {
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : none;
}

function wholeOf(value: unknown, at: string, name: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw impossible(at, `has ${JSON.stringify(value)} as ${name}, which is no count`);
}

/** A count that a grammar can be held to from below. */
function countOf(value: unknown, at: string, name: string): number {
  const count = wholeOf(value, at, name);
  if (name.startsWith('max') || count <= mostRepeats) return count;
  throw impossible(at, `has ${count} as ${name}; up to ${mostRepeats} are possible`);
}

/** Two expressions one after another, either of which may be nothing. */
function joined(one: string, other: string): string {
  return [one, other].filter((each) => each !== '').join(' ');
}

function either(one: string, other: string): string {
  return other === '' ? `(${one})?` : `${one} | ${other}`;
}

function impossible(at: string, problem: string): SamplingError {
  return new SamplingError(`No grammar can be made of the JSON schema: ${at} ${problem}.`);
}
