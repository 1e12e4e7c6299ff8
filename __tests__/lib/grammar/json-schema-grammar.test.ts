import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { assert, asyncProperty, integer, letrec, type Arbitrary } from 'fast-check';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { createNativeSampler } from '../../../adapters/ggml/sampler.js';
import { createTokenizer, type NativeTokenizer } from '../../../adapters/ggml/tokenizer.js';
import {
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

/** A text of the grammar by random logits; undefined where it did not end. */
async function write(grammar: string, seed: number, most = 600): Promise<string | undefined> {
  const random = seededRandom(seed);
  await using sampler = await createNativeSampler(runtime(), tokenizer, { grammar });
  const tokens: number[] = [];
  for (let i = 0; i < most; i++) {
    const logits = Float32Array.from({ length: tokenizer.vocabSize }, random);
    const token = await sampler.sample(logits);
    if (tokenizer.isEndOfGeneration(token)) return tokenizer.decode(tokens);
    tokens.push(token);
  }
  return undefined;
}

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

test('says what a grammar does not hold to, and refuses what it would get wrong', () => {
  const { notes } = jsonSchemaGrammar({
    type: 'object',
    properties: { mail: { type: 'string', format: 'email' }, n: { type: 'integer', maximum: 9 } },
  });
  expect(notes.join('\n')).toMatch(/"n".*maximum 9[^]*"mail".*format "email"/);
  const refused: [JsonSchema, RegExp][] = [
    [false, /no value at all/],
    [{ enum: [] }, /empty enum/],
    [{ not: { type: 'null' } }, /"not"/],
    [{ type: 'date' }, /"date"/],
    [{ $ref: '#/$defs/none' }, /does not have/],
    [{ $ref: 'https://example.org/a' }, /only places in the schema/],
    [{ type: 'string', minLength: 5, maxLength: 2 }, /nothing can meet/],
    [{ type: 'array', items: [true] } as JsonSchema, /One schema|one schema/],
    [{ allOf: [{ type: 'string' }, { type: 'null' }] }, /allOf/],
    [7 as unknown as JsonSchema, /no schema/],
  ];
  for (const [schema, message] of refused) {
    expect(() => jsonSchemaGrammar(schema)).toThrow(SamplingError);
    expect(() => jsonSchemaGrammar(schema)).toThrow(message);
  }
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
