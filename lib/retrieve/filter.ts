import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';

/**
 * A condition on the metadata of chunks, as plain data, so that a database can be asked the same as memory. A field that
 * is not there meets no comparison; its `not` does. Where a field holds a list, one of its values has to meet it.
 */
export type MetadataFilter =
  | {
      readonly field: string;
      readonly op: 'eq';
      readonly value: FilterValue;
    }
  | {
      readonly field: string;
      readonly op: 'in';
      readonly value: readonly FilterValue[];
    }
  | {
      readonly field: string;
      /** Numbers compare with numbers, texts with texts by UTF-16 units; other pairs never meet it. */
      readonly op: 'gt' | 'gte' | 'lt' | 'lte';
      readonly value: number | string;
    }
  | {
      readonly field: string;
      /** Whether the field has a value other than null. */
      readonly op: 'exists';
      readonly value: boolean;
    }
  | { readonly and: readonly MetadataFilter[] }
  | { readonly or: readonly MetadataFilter[] }
  | { readonly not: MetadataFilter };

export type FilterValue = string | number | boolean;

export type Metadata = Readonly<Record<string, unknown>>;

/** Filters nest no deeper: beyond, they come from a mistake or an attack. */
const deepest = 32;

const comparisons = new Set(['gt', 'gte', 'lt', 'lte']);

/** What filters see of a chunk: its metadata, and `documentId` unless the metadata has its own. */
export function fieldsOf(chunk: Chunk): Metadata {
  return { documentId: chunk.documentId, ...chunk.metadata };
}

/** Whether metadata meet a filter that {@link assertFilter} lets through. `and` of nothing does, `or` of nothing does not. */
export function matchesFilter(filter: MetadataFilter, metadata: Metadata): boolean {
  if ('and' in filter) return filter.and.every((one) => matchesFilter(one, metadata));
  if ('or' in filter) return filter.or.some((one) => matchesFilter(one, metadata));
  if ('not' in filter) return !matchesFilter(filter.not, metadata);
  // What every object inherits is no metadata.
  const found = Object.hasOwn(metadata, filter.field) ? metadata[filter.field] : undefined;
  if (filter.op === 'exists') return (found !== undefined && found !== null) === filter.value;
  const values: readonly unknown[] = Array.isArray(found) ? found : [found];
  switch (filter.op) {
    case 'eq':
      return values.includes(filter.value);
    case 'in':
      return values.some((value) => (filter.value as readonly unknown[]).includes(value));
    default: {
      const { op, value: limit } = filter;
      return values.some((value) => compares(op, value, limit));
    }
  }
}

function compares(
  op: 'gt' | 'gte' | 'lt' | 'lte',
  value: unknown,
  limit: number | string,
): boolean {
  if (typeof value !== typeof limit) return false;
  const it = value as typeof limit;
  if (op === 'gt') return it > limit;
  if (op === 'gte') return it >= limit;
  return op === 'lt' ? it < limit : it <= limit;
}

/** @throws InvalidArgumentError for anything that is no {@link MetadataFilter} */
export function assertFilter(filter: unknown, depth = 0): asserts filter is MetadataFilter {
  if (depth > deepest) refuse(`it nests deeper than ${deepest}`);
  if (typeof filter !== 'object' || filter === null) refuse(`${shown(filter)} is no object`);
  const { and, or, not, field, op, value } = filter as Readonly<Record<string, unknown>>;
  const list = and ?? or;
  if (list !== undefined || not !== undefined) {
    if (Object.keys(filter as object).length > 1) {
      refuse(`"and", "or" and "not" stand alone, unlike in ${shown(filter)}`);
    }
    if (not !== undefined) return assertFilter(not, depth + 1);
    if (!Array.isArray(list)) return refuse('"and" and "or" take a list');
    for (const one of list) assertFilter(one, depth + 1);
    return;
  }
  if (typeof field !== 'string' || field === '') refuse(`${shown(filter)} names no field`);
  if (op === 'exists') {
    if (typeof value !== 'boolean') refuse('"exists" takes true or false');
  } else if (op === 'in') {
    if (!Array.isArray(value) || !value.every(isFilterValue)) {
      refuse('"in" takes a list of texts, numbers and booleans');
    }
  } else if (op === 'eq') {
    if (!isFilterValue(value))
      refuse(`"eq" takes a text, a number or a boolean, not ${shown(value)}`);
  } else if (comparisons.has(op as string)) {
    if (!isFilterValue(value) || typeof value === 'boolean') {
      refuse(`"${String(op)}" takes a number or a text, not ${shown(value)}`);
    }
  } else {
    refuse(`${shown(op)} is no operator; use eq, in, gt, gte, lt, lte or exists`);
  }
}

function isFilterValue(value: unknown): value is FilterValue {
  return typeof value === 'number'
    ? Number.isFinite(value)
    : typeof value === 'string' || typeof value === 'boolean';
}

function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function refuse(problem: string): never {
  throw new InvalidArgumentError(`The filter cannot be used: ${problem}.`);
}
