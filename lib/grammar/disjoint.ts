import { hasType, isSchema, type JsonSchema, lookUp, type SchemaObject } from './json-schema.js';

/** Whether surely no value meets two of the schemas. */
export function areDisjoint(schemas: readonly JsonSchema[], root: JsonSchema): boolean {
  const whole = schemas.map((schema) => resolved(schema, root));
  return whole.every((one, i) => whole.slice(i + 1).every((other) => excludes(one, other, root)));
}

function resolved(schema: JsonSchema, root: JsonSchema): SchemaObject {
  let found = schema;
  for (let steps = 0; steps < 16; steps++) {
    if (!isSchema(found) || typeof found['$ref'] !== 'string') break;
    found = lookUp(found['$ref'], root);
  }
  return isSchema(found) ? found : {};
}

function excludes(one: SchemaObject, other: SchemaObject, root: JsonSchema): boolean {
  const [some, others] = [valuesOf(one), valuesOf(other)];
  if (some && others) {
    const texts = new Set(others.map((value) => JSON.stringify(value)));
    return some.every((value) => !texts.has(JSON.stringify(value)));
  }
  const [types, otherTypes] = [typesOf(one), typesOf(other)];
  if (types && otherTypes && types.every((type) => !otherTypes.includes(type))) return true;
  if (some && otherTypes) return some.every((value) => !hasType(value, otherTypes));
  if (others && types) return others.every((value) => !hasType(value, types));
  return isToldApart(one, other, root);
}

/** Objects that both must have a property, whose values differ. */
function isToldApart(one: SchemaObject, other: SchemaObject, root: JsonSchema): boolean {
  const [mine, theirs] = [one['properties'], other['properties']];
  if (!isSchema(mine) || !isSchema(theirs)) return false;
  if (typesOf(one)?.join() !== 'object' || typesOf(other)?.join() !== 'object') return false;
  return Object.keys(mine).some((name) => {
    if (!Object.hasOwn(theirs, name) || !needs(one, name) || !needs(other, name)) return false;
    const pair = [mine[name], theirs[name]].map((each) => resolved(each as JsonSchema, root));
    const [a, b] = pair.map(valuesOf);
    if (!a || !b) return false;
    return excludes(pair[0] as SchemaObject, pair[1] as SchemaObject, root);
  });
}

function needs({ required }: SchemaObject, name: string): boolean {
  return Array.isArray(required) && required.includes(name);
}

function valuesOf(schema: SchemaObject): readonly unknown[] | undefined {
  if ('const' in schema) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

/** Integers are numbers. */
function typesOf({ type }: SchemaObject): string[] | undefined {
  if (type === undefined) return undefined;
  const types = (Array.isArray(type) ? type : [type]) as readonly string[];
  return types.map((each) => (each === 'integer' ? 'number' : each));
}
