import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import {
  type Arbitrary,
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  dictionary,
  integer,
  letrec,
  oneof,
  option,
  record,
  tuple,
} from 'fast-check';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { createNativeSampler } from '../../../adapters/ggml/sampler.js';
import { createTokenizer, type NativeTokenizer } from '../../../adapters/ggml/tokenizer.js';
import {
  type JsonGrammar,
  jsonSchemaGrammar,
  type JsonSchema,
  readToolCall,
  SamplingError,
  toolCallGrammar,
} from '../../../lib/index.js';
import { seededRandom } from '../../../lib/random.js';
import { vocabularyFile } from '../../support/ggml/vocabulary-file.js';
import { runtime } from '../../support/native.js';

// llama.cpp's own sampler is the reference: it decides what a grammar lets through.
let tokenizer: NativeTokenizer;
beforeAll(async () => {
  tokenizer = await createTokenizer(runtime(), await vocabularyFile({ kind: 'bpe' }));
});
afterAll(() => tokenizer.dispose());

/** Whether the sampler takes each token of the text where it is by far the most likely, and then the end. */
async function accepts(grammar: string, text: string): Promise<boolean> {
  const { ids } = await tokenizer.encode(text);
  await using sampler = await createNativeSampler(runtime(), tokenizer, { grammar });
  const end = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).find((id) =>
    tokenizer.isEndOfGeneration(id),
  ) as number;
  for (const token of [...ids, end]) {
    const logits = new Float32Array(tokenizer.vocabSize);
    logits[token] = 50;
    if ((await sampler.sample(logits)) !== token) return false;
  }
  return true;
}

let closers: readonly number[] | undefined;
function closing(): readonly number[] {
  closers ??= Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
    (id) => tokenizer.isEndOfGeneration(id) || /^["}\]]$/.test(tokenizer.decode([id])),
  );
  return closers;
}

/** A text of the grammar by random logits; undefined where it did not end. */
async function write(grammar: string, seed: number, most = 600): Promise<string | undefined> {
  const random = seededRandom(seed);
  await using sampler = await createNativeSampler(runtime(), tokenizer, { grammar });
  const tokens: number[] = [];
  for (let i = 0; i < most; i++) {
    const logits = Float32Array.from({ length: tokenizer.vocabSize }, random);
    // What ends strings, lists and objects comes soon.
    for (const id of closing()) logits[id] = (logits[id] as number) + 1;
    const token = await sampler.sample(logits);
    if (tokenizer.isEndOfGeneration(token)) return tokenizer.decode(tokens);
    tokens.push(token);
  }
  return undefined;
}

const validator = new Ajv2020({ strict: false });
(addFormats as unknown as (ajv: Ajv2020) => void)(validator);

const object = (properties: object, required = Object.keys(properties)): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

/** Of few and of many digits. */
const bound = oneof(
  integer({ min: -30, max: 30 }),
  integer({ min: -12_000, max: 12_000 }),
  integer({ min: -(10 ** 14), max: 10 ** 14 }),
);

const person: JsonSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 0 },
    kind: { enum: ['a "b"', 'ü\\', 3, null] },
    tags: { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 3 },
    next: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
  },
  required: ['name', 'kind'],
  additionalProperties: false,
};

test('takes what meets the schema, and nothing that does not', async () => {
  const { grammar, notes } = jsonSchemaGrammar(person);
  expect(notes).toEqual([]);
  const good = [
    { name: 'Ann', age: 31, kind: 'a "b"', tags: [true], next: null },
    { name: '', kind: null },
    { name: 'é"\\\n', kind: 'ü\\', tags: [true, false, true], next: { name: 'B', kind: 3 } },
  ];
  for (const one of good)
    expect([one, await accepts(grammar, JSON.stringify(one))]).toEqual([one, true]);
  expect(await accepts(grammar, '{ "name": "Ann", "kind": 3 }')).toBe(true);
  const bad = [
    '{"name":"Ann"}',
    '{"kind":3,"name":"Ann"}',
    '{"name":"Ann","kind":4}',
    '{"name":"Ann","age":-1,"kind":3}',
    '{"name":"Ann","age":01,"kind":3}',
    '{"name":"Ann","kind":3,"tags":[]}',
    '{"name":"Ann","kind":3,"tags":[true,true,true,true]}',
    '{"name":"thirteen char","kind":3}',
    '{"name":"Ann","kind":3,"more":1}',
    '{"name":"Ann","kind":3}}',
    '{"name":"Ann","kind":3,}',
    '[]',
  ];
  for (const text of bad) expect([text, await accepts(grammar, text)]).toEqual([text, false]);
});

test('any JSON object is taken without a schema', async () => {
  const { grammar } = jsonSchemaGrammar();
  const text = '{"a":[1,-2.5,1e9,{"b":{}},[],"x"],"c":false}';
  expect(await accepts(grammar, text)).toBe(true);
  expect(await accepts(grammar, '[1]')).toBe(false);
  expect(await accepts(grammar, '{"a":1e999}')).toBe(false);
});

/** Schemas with a value that meets each. */
const pairs = letrec<{ pair: { schema: JsonSchema; value: unknown } }>((tie) => {
  const random = integer({ min: 0, max: 2 ** 30 });
  const leaf = random.map((n) => {
    const kinds: { schema: JsonSchema; value: unknown }[] = [
      { schema: { type: 'integer' }, value: (n % 2001) - 1000 },
      { schema: { type: 'number' }, value: ((n % 2001) - 1000) / 8 },
      { schema: { type: 'string' }, value: `t"${n}\\\t` },
      { schema: { type: ['boolean', 'null'] }, value: n % 3 === 0 ? null : n % 3 === 1 },
      { schema: { const: { n } }, value: { n } },
      { schema: true, value: [n, {}] },
    ];
    return kinds[n % kinds.length] as { schema: JsonSchema; value: unknown };
  });
  const pair = tie('pair') as Arbitrary<{ schema: JsonSchema; value: unknown }>;
  const list = pair.map(({ schema, value }) => ({
    schema: { type: 'array', items: schema, maxItems: 3 } as JsonSchema,
    value: [value, value],
  }));
  const object = random.chain((n) =>
    pair.chain((a) =>
      pair.map((b) => {
        const withB = n % 2 === 0;
        return {
          schema: {
            type: 'object',
            properties: { 'a"': a.schema, b: b.schema, c: { type: 'null' } },
            required: withB ? ['b'] : ['a"'],
          } as JsonSchema,
          value: {
            ...(n % 3 > 0 || !withB ? { 'a"': a.value } : {}),
            ...(withB || n % 5 > 2 ? { b: b.value } : {}),
            ...(n % 7 > 3 ? { c: null } : {}),
          } as unknown,
        };
      }),
    ),
  );
  return { pair: integer({ min: 0, max: 5 }).chain((n) => (n < 3 ? leaf : n < 4 ? list : object)) };
}).pair;

test('random schemas: their values are taken, cut values are not, and the engine takes the grammar', async () => {
  await assert(
    asyncProperty(pairs, async ({ schema, value }) => {
      const { grammar } = jsonSchemaGrammar(schema);
      checkGrammar(grammar);
      const text = JSON.stringify(value);
      expect([schema, text, await accepts(grammar, text)]).toEqual([schema, text, true]);
      if (/[\]}"]$/.test(text)) expect(await accepts(grammar, text.slice(0, -1))).toBe(false);
    }),
    { numRuns: 60, seed: 8 },
  );
});

test('what random logits write by a grammar reads as JSON of the schema', async () => {
  const schema = {
    type: 'object',
    properties: {
      a: { type: 'string', maxLength: 5 },
      b: { type: 'number' },
      c: { type: 'array', items: { enum: [1, 'x'] }, maxItems: 4 },
    },
    required: ['a', 'c'],
  };
  let ended = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const text = await write(jsonSchemaGrammar(schema).grammar, seed);
    if (text === undefined) continue;
    ended++;
    const { a, b, c, ...rest } = JSON.parse(text) as Record<string, unknown>;
    expect(rest).toEqual({});
    expect(typeof a).toBe('string');
    expect(b === undefined || Number.isFinite(b)).toBe(true);
    expect((c as unknown[]).every((one) => one === 1 || one === 'x')).toBe(true);
  }
  expect(ended).toBeGreaterThan(0);
});

test('what a grammar cannot hold to is refused with its place, or left out and told', () => {
  const beyond: [JsonSchema, RegExp][] = [
    [object({ code: { type: 'string', pattern: '^a' } }), /#\/properties\/code.*pattern "\^a"/],
    [{ type: 'number', minimum: 3 }, /minimum 3/],
    [{ type: 'number', multipleOf: 0.5 }, /multipleOf 0.5/],
    [{ type: 'string', format: 'email' }, /format "email"/],
    [{ type: 'string', maxLength: 9000 }, /maxLength 9000/],
    [{ type: 'array', uniqueItems: true }, /uniqueItems true/],
    [{ type: 'object', minProperties: 2 }, /minProperties 2/],
    [{ not: { type: 'null' } }, /not \{"type":"null"\}/],
    [{ anyOf: [{ type: 'string' }], minLength: 2 }, /minLength 2/],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, /oneOf/],
    [{ $ref: '#/$defs/a', $defs: { a: { type: 'string' } }, maxLength: 2 }, /maxLength 2/],
  ];
  for (const [schema, message] of beyond) {
    expect(() => jsonSchemaGrammar(schema)).toThrow(SamplingError);
    expect(() => jsonSchemaGrammar(schema)).toThrow(message);
    const { grammar, notes } = jsonSchemaGrammar(schema, { beyond: 'widen' });
    expect(notes).toEqual([expect.stringMatching(message)]);
    checkGrammar(grammar);
  }
  expect(() => jsonSchemaGrammar({}, { beyond: 'ignore' as 'widen' })).toThrow(/beyond is ignore/);
});

test('a schema that is none, or that nothing meets, is refused either way', () => {
  const refused: [JsonSchema, RegExp][] = [
    [false, /no value at all/],
    [{ enum: [] }, /empty enum/],
    [{ type: 'string', enum: [1, 2] }, /no value of its type/],
    [{ type: 'date' }, /"date"/],
    [{ $ref: '#/$defs/none' }, /does not have/],
    [{ $ref: 'https://example.org/a' }, /only places in the schema/],
    [{ type: 'string', minLength: 5, maxLength: 2 }, /nothing can meet/],
    [{ type: 'string', minLength: 1.5 }, /no count/],
    [{ type: 'array', minItems: 3, maxItems: 2 }, /nothing can meet/],
    [
      { type: 'array', prefixItems: [true], items: false, minItems: 2 },
      /needs 2 items and allows 1/,
    ],
    [{ type: 'array', items: [true] } as JsonSchema, /one schema/],
    [{ type: 'integer', minimum: 1.2, maximum: 1.8 }, /no integer/],
    [{ type: 'number', minimum: 2, exclusiveMaximum: 2 }, /no number/],
    [{ allOf: [{ type: 'string' }, { type: 'null' }] }, /allOf/],
    [{ anyOf: [] }, /empty anyOf/],
    [{ required: ['a'], additionalProperties: false } as JsonSchema, /no value at all/],
    [7 as unknown as JsonSchema, /no schema/],
  ];
  for (const [schema, message] of refused) {
    for (const beyond of ['refuse', 'widen'] as const) {
      expect(() => jsonSchemaGrammar(schema, { beyond })).toThrow(SamplingError);
      expect(() => jsonSchemaGrammar(schema, { beyond })).toThrow(message);
    }
  }
});

test('few values become a choice of their texts, which the fake engine follows', () => {
  const { grammar } = jsonSchemaGrammar(
    object({ verdict: { enum: ['yes', 'no'] }, sure: { const: true } }),
  );
  expect(grammar).toBe(
    String.raw`root ::= "{\"verdict\":\"yes\",\"sure\":true}" | "{\"verdict\":\"no\",\"sure\":true}"`,
  );
  expect(jsonSchemaGrammar({ type: 'integer', minimum: 1, exclusiveMaximum: 4 }).grammar).toBe(
    'root ::= "1" | "2" | "3"',
  );
  // Bounds of all the integers that a number can hold are none.
  const all = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
  expect(jsonSchemaGrammar({ type: 'integer', ...all }).grammar).toBe(
    jsonSchemaGrammar({ type: 'integer' }).grammar,
  );
});

test('bounds of integers are held to exactly', async () => {
  await assert(
    asyncProperty(bound, bound, array(bound, { maxLength: 4 }), async (a, b, others) => {
      const [low, high] = a < b ? [a, b] : [b, a];
      const { grammar, notes } = jsonSchemaGrammar({
        type: 'integer',
        minimum: low,
        maximum: high,
      });
      expect(notes).toEqual([]);
      checkGrammar(grammar);
      for (const value of [low - 1, low, high, high + 1, ...others]) {
        const isIn = low <= value && value <= high;
        expect([low, high, value, await accepts(grammar, String(value))]).toEqual([
          low,
          high,
          value,
          isIn,
        ]);
      }
    }),
    { numRuns: 25 },
  );
  const open = jsonSchemaGrammar({ type: 'integer', exclusiveMinimum: 17 }).grammar;
  for (const [text, isIn] of [
    ['17', false],
    ['18', true],
    ['99', true],
    ['100', true],
    ['-20', false],
    ['018', false],
  ] as const) {
    expect([text, await accepts(open, text)]).toEqual([text, isIn]);
  }
});

/** Schemas of all sorts, some of which no grammar can hold to. */
const schemas = letrec<{ schema: JsonSchema }>((tie) => {
  const schema = tie('schema') as Arbitrary<JsonSchema>;
  const count = integer({ min: 0, max: 3 });
  const range = (least: string, most: string) =>
    record({ [least]: count, more: count }, { requiredKeys: [] }).map(({ more, ...rest }) => ({
      ...rest,
      ...(more !== undefined && { [most]: Number(rest[least] ?? 0) + more }),
    }));
  const leaf = oneof(
    range('minLength', 'maxLength').map((bounds) => ({ type: 'string', ...bounds })),
    constantFrom('date', 'time', 'date-time', 'uuid', 'email').map((format) => ({
      type: 'string',
      format,
    })),
    tuple(integer({ min: -300, max: 300 }), integer({ min: 0, max: 2000 }), boolean()).map(
      ([low, more, open]) => ({
        type: 'integer',
        minimum: low,
        ...(open ? {} : { exclusiveMaximum: low + more + 1 }),
      }),
    ),
    constantFrom<JsonSchema>(
      true,
      {},
      { type: 'number', minimum: 0 },
      { type: 'number', maximum: 3 },
      { type: ['boolean', 'null', 'integer'], minimum: -4 },
      { enum: ['a"', 1, null, { b: [true] }] },
      { type: 'string', enum: ['x', 7, 'é\\\n'] },
      { const: { n: [1, 'two'] } },
      { type: 'string', pattern: '^a+$' },
    ),
  );
  const fields = dictionary(constantFrom('a', 'b"', 'c', 'dd'), schema, { maxKeys: 3 });
  const objects = tuple(
    fields,
    array(constantFrom('a', 'b"', 'zz'), { maxLength: 2 }),
    constantFrom(undefined, true, false, { type: 'null' }),
  ).map(([properties, required, additionalProperties]) => ({
    type: 'object',
    properties,
    required: [...new Set(required)],
    ...(additionalProperties !== undefined && { additionalProperties }),
  }));
  const lists = tuple(
    range('minItems', 'maxItems'),
    option(schema),
    option(array(schema, { minLength: 1, maxLength: 2 })),
  ).map(([bounds, items, prefixItems]) => ({
    type: 'array',
    ...bounds,
    ...(items !== null && { items }),
    ...(prefixItems && { prefixItems }),
  }));
  const choices = tuple(
    constantFrom('anyOf', 'oneOf', 'allOf'),
    array(schema, { minLength: 1, maxLength: 3 }),
  ).map(([name, parts]) => ({ [name]: parts }));
  return {
    schema: oneof(
      { maxDepth: 2, withCrossShrink: true },
      leaf,
      objects,
      lists,
      choices,
    ) as Arbitrary<JsonSchema>,
  };
}).schema;

test('whatever a grammar writes, a validator finds to be of the schema', async () => {
  const counts = { checked: 0, refused: 0, unended: 0 };
  await assert(
    asyncProperty(schemas, integer({ min: 1, max: 2 ** 30 }), async (schema, seed) => {
      let made: JsonGrammar;
      try {
        made = jsonSchemaGrammar(schema);
      } catch (error) {
        expect(error).toBeInstanceOf(SamplingError);
        counts.refused++;
        return;
      }
      expect(made.notes).toEqual([]);
      expect(jsonSchemaGrammar(schema, { beyond: 'widen' })).toEqual(made);
      checkGrammar(made.grammar);
      const validate = validator.compile(schema);
      for (let i = 0; i < 2; i++) {
        const text = await write(made.grammar, seed + i, 300);
        if (text === undefined) counts.unended++;
        else {
          counts.checked++;
          const value: unknown = JSON.parse(text);
          if (!validate(value))
            throw new Error(
              `${JSON.stringify(schema)} wrote ${text}: ${validator.errorsText(validate.errors)}`,
            );
        }
      }
    }),
    { numRuns: process.env['CHUNKWEAVE_SOAK'] ? 600 : 40 },
  );
  expect(counts.checked).toBeGreaterThan(counts.refused);
  expect(counts.checked).toBeGreaterThan(counts.unended);
});

test('tool calls: only those, or text that is told apart by its first character', async () => {
  const tools = [
    {
      name: 'weather',
      inputSchema: {
        $ref: '#/$defs/in',
        $defs: {
          in: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      },
    },
    { name: 'now', inputSchema: { type: 'object', properties: {}, additionalProperties: false } },
  ] as const;
  const only = toolCallGrammar(tools, { text: false }).grammar;
  const either = toolCallGrammar(tools, { text: true }).grammar;
  const call = '{"tool": "weather", "input": {"city": "Bern"}}';
  for (const grammar of [only, either]) {
    checkGrammar(grammar);
    expect(await accepts(grammar, call)).toBe(true);
    expect(await accepts(grammar, '{"tool": "now", "input": {}}')).toBe(true);
    expect(await accepts(grammar, '{"tool": "other", "input": {}}')).toBe(false);
    expect(await accepts(grammar, '{"tool": "weather", "input": {}}')).toBe(false);
  }
  expect(await accepts(only, 'It rains.')).toBe(false);
  expect(await accepts(either, 'It rains.\n{"tool": 1}')).toBe(true);
  expect(readToolCall(call)).toEqual({ tool: 'weather', input: '{"city":"Bern"}' });
  expect(readToolCall('It rains.')).toBeUndefined();
  expect(readToolCall('{"tool": "weather", "inp')).toBeUndefined();
});
