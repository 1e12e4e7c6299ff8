import { SamplingError } from '../errors.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * A GBNF grammar of the JSON texts that a JSON schema allows, written without spaces and with properties in the schema's
 * order. For {@link SamplingOptions.grammar}.
 *
 * Known: `type` (also a list), `properties`, `required`, `additionalProperties` (a schema, for maps without named
 * properties), `items`, `prefixItems`, `minItems`, `maxItems`, `minLength`, `maxLength`, `format` (date, time, date-time,
 * uuid), `enum`, `const`, `anyOf`, `oneOf`, `allOf` of one, `$ref` into `$defs` or `definitions`, and bounds of numbers
 * that are 0 or span at most 1,000 integers. Titles, descriptions and defaults say nothing about the form.
 *
 * @throws SamplingError that names the place and the keyword for whatever else restricts a value: it is never ignored.
 */
export function strictJsonGrammar(schema: object): string {
  return new GrammarWriter(schema as Schema).write();
}

/** Keywords that do not restrict a value. */
const silent = new Set([
  '$schema',
  '$id',
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
]);

/** libllama's own limit of repetitions. */
const mostRepeats = 2000;
/** Values of a schema that are written out one by one. */
const mostTexts = 64;
/** Integers of a range that are written out one by one. */
const mostIntegers = 1000;

const shared: Readonly<Record<string, string>> = {
  char: String.raw`[ !#-\x5B\x5D-\x7E\x80-\U0010FFFF] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4})`,
  string: String.raw`"\"" char* "\""`,
  integer: '"-"? ("0" | [1-9] [0-9]{0,14})',
  positive: '[1-9] [0-9]{0,14}',
  natural: '"0" | [1-9] [0-9]{0,14}',
  number: '"-"? magnitude',
  magnitude: '("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  object: String.raw`"{" (string ":" value ("," string ":" value)*)? "}"`,
  array: '"[" (value ("," value)*)? "]"',
  date: '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
  uuid: '[0-9a-f]{8} "-" [0-9a-f]{4} "-4" [0-9a-f]{3} "-" [89ab] [0-9a-f]{3} "-" [0-9a-f]{12}',
};

const formats: Readonly<Record<string, readonly [expression: string, ...rules: string[]]>> = {
  date: ['date', 'date'],
  time: ['time', 'time'],
  'date-time': ['date "T" time', 'date', 'time'],
  uuid: ['uuid', 'uuid'],
};

class GrammarWriter {
  readonly #root: Schema;
  readonly #rules = new Map<string, string>();
  readonly #references = new Map<string, string>();

  constructor(root: Schema) {
    this.#root = root;
  }

  write(): string {
    const root = this.#expression(this.#root, '#');
    const rules = [['root', root] as const, ...this.#rules];
    return rules.map(([name, body]) => `${name} ::= ${body}`).join('\n');
  }

  /** What matches the values of a schema; alternatives are not in brackets. */
  #expression(schema: unknown, at: string): string {
    if (schema === true) return this.#use('value');
    if (!isSchema(schema)) throw refuse(at, `is ${JSON.stringify(schema)}, which is no schema`);
    const texts = textsOf(schema);
    if (texts) return texts.map(literal).join(' | ');
    const { $ref, enum: listed, anyOf, oneOf, allOf, type } = schema;
    if ('const' in schema) {
      this.#assertOnly(schema, at, ['const', 'type']);
      return literal(JSON.stringify(schema['const']));
    }
    if (listed !== undefined) {
      this.#assertOnly(schema, at, ['enum', 'type']);
      if (!Array.isArray(listed) || listed.length === 0) throw refuse(at, 'has an empty "enum"');
      return listed.map((value) => literal(JSON.stringify(value))).join(' | ');
    }
    if ($ref !== undefined) {
      this.#assertOnly(schema, at, ['$ref']);
      return this.#reference($ref, at);
    }
    for (const [name, options] of Object.entries({ anyOf, oneOf, allOf })) {
      if (options === undefined) continue;
      this.#assertOnly(schema, at, [name]);
      if (!Array.isArray(options) || options.length === 0)
        throw refuse(at, `has an empty "${name}"`);
      if (name === 'allOf' && options.length > 1) throw refuse(at, 'has an "allOf" of several');
      return options
        .map((option, i) => grouped(this.#expression(option, `${at}/${name}/${i}`)))
        .join(' | ');
    }
    if (Array.isArray(type)) {
      return type
        .map((each: unknown) => grouped(this.#typed({ ...schema, type: each }, at, true)))
        .join(' | ');
    }
    return this.#typed(schema, at, false);
  }

  /** @param several whether keywords of other types may be there as well. */
  #typed(schema: Schema, at: string, several: boolean): string {
    const only = (...known: string[]): void => {
      if (several) known.push(...Object.values(keywords).flat());
      this.#assertOnly(schema, at, ['type', ...known]);
    };
    switch (schema['type'] ?? impliedType(schema)) {
      case 'object':
        only(...keywords.object);
        return this.#object(schema, at);
      case 'array':
        only(...keywords.array);
        return this.#array(schema, at);
      case 'string':
        only(...keywords.string);
        return this.#string(schema, at);
      case 'integer':
      case 'number':
        only(...keywords.number);
        return this.#number(schema, at);
      case 'boolean':
        only();
        return this.#use('boolean');
      case 'null':
        only();
        return this.#use('null');
      case undefined:
        only();
        return this.#use('value');
      default:
        throw refuse(at, `has the type ${JSON.stringify(schema['type'])}`);
    }
  }

  #object(schema: Schema, at: string): string {
    const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
    const entries = Object.entries(properties as Readonly<Record<string, unknown>>);
    const needed = new Set(required as readonly string[]);
    for (const name of needed) {
      if (!entries.some(([known]) => known === name)) {
        throw refuse(at, `requires "${name}", which is not among its properties`);
      }
    }
    if (propertyNames !== undefined && JSON.stringify(propertyNames) !== '{"type":"string"}') {
      throw refuse(at, 'restricts the names of properties ("propertyNames")');
    }
    if (entries.length === 0) {
      if (additionalProperties === false) return literal('{}');
      if (additionalProperties === undefined || additionalProperties === true) {
        return this.#use('object');
      }
      const value = grouped(this.#expression(additionalProperties, `${at}/additionalProperties`));
      const pair = `${this.#use('string')} ":" ${value}`;
      return `"{" (${pair} ("," ${pair})*)? "}"`;
    }
    return `"{" ${this.#properties(entries, needed, at)} "}"`;
  }

  /**
   * Properties in their order, those that are optional with or without. Two rules for each: one for when none stands
   * before it, and one for when it needs a comma.
   */
  #properties(
    entries: readonly (readonly [string, unknown])[],
    needed: ReadonlySet<string>,
    at: string,
  ): string {
    let first = '';
    let later = '';
    for (const [i, [name, schema]] of [...entries.entries()].toReversed()) {
      const value = this.#expression(schema, `${at}/properties/${name}`);
      const pair = this.#rule('pair', `${literal(`${JSON.stringify(name)}:`)} ${grouped(value)}`);
      const own = joined(pair, later);
      const [withComma, alone] = [joined('","', pair), own];
      if (needed.has(name)) {
        first = alone;
        later = joined(withComma, later);
      } else {
        first = first === '' ? grouped(alone, '?') : `(${alone} | ${first})`;
        later = joined(`(${withComma})?`, later);
      }
      // Else the text grows with the square of the number of properties.
      if (i > 0 && first !== '') first = this.#rule('first', first);
      if (i > 0 && later !== '') later = this.#rule('later', later);
    }
    return first;
  }

  #array(schema: Schema, at: string): string {
    const { items, prefixItems, minItems = 0, maxItems } = schema;
    if (Array.isArray(prefixItems)) {
      if (items !== undefined && items !== false) {
        throw refuse(at, 'has "prefixItems" and more items after them');
      }
      const each = prefixItems.map((item, i) =>
        grouped(this.#expression(item, `${at}/prefixItems/${i}`)),
      );
      return `"[" ${each.join(' "," ')} "]"`;
    }
    const least = countOf(minItems, at, 'minItems');
    const most = maxItems === undefined ? undefined : countOf(maxItems, at, 'maxItems');
    if (most !== undefined && most < least) throw refuse(at, 'has "maxItems" below "minItems"');
    if (most === 0) return literal('[]');
    const item = this.#rule('item', this.#expression(items ?? true, `${at}/items`));
    const rest = `("," ${item}){${Math.max(0, least - 1)},${most === undefined ? '' : most - 1}}`;
    const some = `${item} ${rest}`;
    return least > 0 ? `"[" ${some} "]"` : `"[" (${some})? "]"`;
  }

  #string(schema: Schema, at: string): string {
    const { minLength, maxLength, format } = schema;
    if (format !== undefined) {
      const [expression, ...rules] = formats[String(format)] ?? [];
      if (expression === undefined || minLength !== undefined || maxLength !== undefined) {
        throw refuse(at, `has the format ${JSON.stringify(format)}`);
      }
      for (const rule of rules) this.#use(rule);
      return String.raw`"\"" ${expression} "\""`;
    }
    if (minLength === undefined && maxLength === undefined) return this.#use('string');
    const least = minLength === undefined ? 0 : countOf(minLength, at, 'minLength');
    const most = maxLength === undefined ? '' : countOf(maxLength, at, 'maxLength');
    if (most !== '' && most < least) throw refuse(at, 'has "maxLength" below "minLength"');
    return String.raw`"\"" ${this.#use('char')}{${least},${most}} "\""`;
  }

  #number(schema: Schema, at: string): string {
    const isInteger = schema['type'] === 'integer' || schema['multipleOf'] === 1;
    if (schema['multipleOf'] !== undefined && schema['multipleOf'] !== 1) {
      throw refuse(at, 'has "multipleOf"');
    }
    const { low, high, above, below } = boundsOf(schema);
    if (isInteger && low > -Infinity && high < Infinity) {
      const from = Math.ceil(low) + (above && Number.isInteger(low) ? 1 : 0);
      const to = Math.floor(high) - (below && Number.isInteger(high) ? 1 : 0);
      if (to < from) throw refuse(at, 'allows no integer');
      if (to - from < mostIntegers) {
        return Array.from({ length: to - from + 1 }, (_, i) => literal(String(from + i))).join(
          ' | ',
        );
      }
    }
    if (high < Infinity || (low > -Infinity && low !== 0)) {
      if (!(isInteger && low === 1 && !above && high === Infinity)) {
        throw refuse(at, 'has bounds that a grammar cannot count; 0 as the least is possible');
      }
      return this.#use('positive');
    }
    if (low === 0) {
      if (isInteger) return this.#use(above ? 'positive' : 'natural');
      if (above) throw refuse(at, 'has "exclusiveMinimum"; use "minimum"');
      return this.#use('magnitude');
    }
    return this.#use(isInteger ? 'integer' : 'number');
  }

  #reference(reference: unknown, at: string): string {
    const path = String(reference);
    const known = this.#references.get(path);
    if (known) return known;
    let target: unknown = path === '#' || path.startsWith('#/') ? this.#root : undefined;
    for (const step of path.split('/').slice(1)) {
      const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      target = isSchema(target) ? target[name] : undefined;
    }
    if (target === undefined) throw refuse(at, `refers to "${path}", which is not in the schema`);
    const name = `ref-${this.#references.size}`;
    // Before its body: that may refer to it.
    this.#references.set(path, name);
    this.#rules.set(name, this.#expression(target, path));
    return name;
  }

  #rule(kind: string, body: string): string {
    const name = `${kind}-${this.#rules.size}`;
    this.#rules.set(name, body);
    return name;
  }

  #use(name: string): string {
    const body = shared[name] as string;
    if (this.#rules.has(name)) return name;
    this.#rules.set(name, body);
    for (const other of Object.keys(shared)) {
      if (
        new RegExp(String.raw`\b${other}\b`).test(
          body.replaceAll(/"(?:[^"\\]|\\.)*"|\[[^\]]*\]/g, ''),
        )
      ) {
        this.#use(other);
      }
    }
    return name;
  }

  #assertOnly(schema: Schema, at: string, known: readonly string[]): void {
    for (const name of Object.keys(schema)) {
      if (known.includes(name) || silent.has(name) || schema[name] === undefined) continue;
      throw refuse(at, `has "${name}"`);
    }
  }
}

const keywords = {
  object: ['properties', 'required', 'additionalProperties', 'propertyNames'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
} as const;

function impliedType(schema: Schema): string | undefined {
  if ('properties' in schema) return 'object';
  return 'items' in schema || 'prefixItems' in schema ? 'array' : undefined;
}

/** All JSON texts of a schema where it has few: constants, lists of them, and objects of those. */
function textsOf(schema: unknown): string[] | undefined {
  if (!isSchema(schema)) return undefined;
  const names = Object.keys(schema).filter((name) => !silent.has(name));
  const within = (...known: string[]) => names.every((name) => known.includes(name));
  if ('const' in schema && within('const', 'type')) return [JSON.stringify(schema['const'])];
  const { enum: listed, properties, required } = schema;
  if (Array.isArray(listed) && within('enum', 'type') && listed.length <= mostTexts) {
    return listed.length === 0 ? undefined : listed.map((value) => JSON.stringify(value));
  }
  if (!isSchema(properties) || !within('type', 'properties', 'required', 'additionalProperties')) {
    return undefined;
  }
  if (schema['type'] !== undefined && schema['type'] !== 'object') return undefined;
  const needed = new Set(Array.isArray(required) ? required : []);
  const entries = Object.entries(properties);
  if (entries.length === 0 || entries.length !== needed.size) return undefined;
  let all: string[][] = [[]];
  for (const [name, value] of entries) {
    const texts = textsOf(value);
    if (!texts || !needed.has(name) || all.length * texts.length > mostTexts) return undefined;
    all = all.flatMap((head) => texts.map((text) => [...head, `${JSON.stringify(name)}:${text}`]));
  }
  return all.map((pairs) => `{${pairs.join(',')}}`);
}

interface Bounds {
  readonly low: number;
  readonly high: number;
  /** The least value itself is not allowed. */
  readonly above: boolean;
  readonly below: boolean;
}

function boundsOf(schema: Schema): Bounds {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<
    string,
    unknown
  >;
  const least = bound(minimum, -Infinity);
  const over = bound(exclusiveMinimum, -Infinity);
  const most = bound(maximum, Infinity);
  const under = bound(exclusiveMaximum, Infinity);
  return {
    low: Math.max(least, over),
    high: Math.min(most, under),
    above: over >= least && over > -Infinity,
    below: under <= most && under < Infinity,
  };
}

/** Bounds of all the integers that a number can hold are none. */
function bound(value: unknown, none: number): number {
  return typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : none;
}

function countOf(value: unknown, at: string, name: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= mostRepeats) {
    return value as number;
  }
  throw refuse(at, `has ${JSON.stringify(value)} as "${name}"; 0 to ${mostRepeats} are possible`);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON text as a terminal of the grammar. */
function literal(text: string): string {
  return JSON.stringify(text);
}

/** Two expressions one after another, either of which may be nothing. */
function joined(one: string, other: string): string {
  return [one, other].filter((each) => each !== '').join(' ');
}

function grouped(expression: string, repeat = ''): string {
  return /^[\w-]+$/.test(expression) ? expression + repeat : `(${expression})${repeat}`;
}

function refuse(at: string, problem: string): SamplingError {
  return new SamplingError(
    `No grammar can be made of the JSON schema: ${at} ${problem}. Leave it out, and check it in the answer.`,
  );
}
