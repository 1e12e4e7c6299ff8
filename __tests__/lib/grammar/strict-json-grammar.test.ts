import { expect, test } from '@jest/globals';
import { checkGrammar } from '../../../adapters/ggml/gbnf.js';
import { strictJsonGrammar } from '../../../lib/index.js';

const object = (properties: object, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

test('a schema of few values becomes their texts', () => {
  const schema = object({ verdict: { enum: ['yes', 'no'] }, sure: { const: true } });
  expect(strictJsonGrammar(schema)).toBe(
    String.raw`root ::= "{\"verdict\":\"yes\",\"sure\":true}" | "{\"verdict\":\"no\",\"sure\":true}"`,
  );
});

const tree = {
  $ref: '#/$defs/tree',
  $defs: {
    tree: object({
      name: { type: 'string' },
      children: { type: 'array', items: { $ref: '#/$defs/tree' } },
    }),
  },
};

test.each<[string, object]>([
  ['an object', object({ name: { type: 'string' }, age: { type: 'integer' } })],
  [
    'optional properties',
    object({ a: { type: 'null' }, b: { type: 'number' }, c: { type: 'string' } }, ['b']),
  ],
  ['only optional properties', object({ a: { type: 'boolean' }, b: { type: 'boolean' } }, [])],
  ['lists', { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 2, maxItems: 4 }],
  [
    'a list of one',
    { type: 'array', items: { type: 'number', minimum: 0 }, minItems: 1, maxItems: 1 },
  ],
  ['a tuple', { type: 'array', prefixItems: [{ type: 'string' }, { type: 'boolean' }] }],
  ['a tree', tree],
  ['a map', { type: 'object', additionalProperties: { type: 'integer', minimum: 0 } }],
  ['alternatives', { anyOf: [{ type: 'string' }, object({ a: { type: ['string', 'null'] } })] }],
  [
    'formats',
    object({ at: { type: 'string', format: 'date-time' }, id: { type: 'string', format: 'uuid' } }),
  ],
  ['anything', {}],
])('%s gives a grammar that the engine takes', (_, schema) => {
  expect(() => checkGrammar(strictJsonGrammar(schema))).not.toThrow();
});

test('bounds of integers are counted out, those of all safe integers are none', () => {
  expect(strictJsonGrammar({ type: 'integer', minimum: 1, exclusiveMaximum: 4 })).toBe(
    'root ::= "1" | "2" | "3"',
  );
  const all = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
  expect(strictJsonGrammar({ type: 'integer', ...all })).toBe(
    strictJsonGrammar({ type: 'integer' }),
  );
});

test.each<[object, RegExp]>([
  [object({ code: { type: 'string', pattern: '^a' } }), /#\/properties\/code has "pattern"/],
  [{ type: 'number', minimum: 3 }, /has bounds/],
  [{ type: 'number', multipleOf: 0.5 }, /"multipleOf"/],
  [{ type: 'string', format: 'email' }, /format "email"/],
  [{ $ref: '#/$defs/none' }, /refers to/],
  [{ type: 'array', minItems: 3, maxItems: 2 }, /below/],
  [object({ a: {} }, ['b']), /requires "b"/],
  [{ not: {} }, /has "not"/],
])('%j is refused with its place', (schema, problem) => {
  expect(() => strictJsonGrammar(schema)).toThrow(
    expect.objectContaining({ code: 'SAMPLING', message: expect.stringMatching(problem) }),
  );
});
