import type { Chunk } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import type { VectorMetadata } from './vector-metadata.js';

/**
 * Which chunks or vectors a search may find, by their metadata. Plain data, so that a database can bind it as parameters.
 *
 * Fields are those at the top of the metadata. A field that is missing matches nothing but `not`; nor does a value of
 * another type: the text `"1"` is not the number 1. Texts are ordered by code point.
 */
export type MetadataFilter =
  /** The field is this value. */
  | { readonly op: 'equals'; readonly field: string; readonly value: FilterValue }
  /** The field is one of these; none of them matches nothing. */
  | { readonly op: 'in'; readonly field: string; readonly values: readonly FilterValue[] }
  /** The field is a list that holds this value. */
  | { readonly op: 'contains'; readonly field: string; readonly value: FilterValue }
  /** The field lies between bounds, all numbers or all texts; at least one of them. */
  | ({ readonly op: 'range'; readonly field: string } & FilterBounds)
  /** The field is there, also where it is null. */
  | { readonly op: 'exists'; readonly field: string }
  /** All of them match; also where there are none. */
  | { readonly op: 'and'; readonly filters: readonly MetadataFilter[] }
  /** One of them matches. */
  | { readonly op: 'or'; readonly filters: readonly MetadataFilter[] }
  | { readonly op: 'not'; readonly filter: MetadataFilter };

export type FilterValue = string | number | boolean | null;

/** Ends of a range of numbers or of texts; at least one of them. */
export interface FilterBounds {
  readonly above?: number | string;
  readonly atLeast?: number | string;
  readonly below?: number | string;
  readonly atMost?: number | string;
}

export const boundNames = ['above', 'atLeast', 'below', 'atMost'] as const;

const maxDepth = 32;
/** Conditions and values in all, so that a database can bind them. */
const maxTerms = 10_000;

/** @throws InvalidArgumentError for what is no filter, or too large a one. */
export function checkFilter(filter: MetadataFilter): void {
  let terms = 0;
  const visit = (part: unknown, depth: number): void => {
    if (depth > maxDepth) refuse(`it is nested more than ${maxDepth} deep`);
    if (typeof part !== 'object' || part === null) refuse(`${shown(part)} is no filter`);
    const { op, field, value, values, filters, filter } = part as Readonly<Record<string, unknown>>;
    terms += Array.isArray(values) ? values.length + 1 : 1;
    if (terms > maxTerms) refuse(`it has more than ${maxTerms} conditions and values`);
    switch (op) {
      case 'and':
      case 'or':
        if (!Array.isArray(filters)) refuse(`"${op}" needs a list of filters`);
        for (const inner of filters as unknown[]) visit(inner, depth + 1);
        return;
      case 'not':
        visit(filter, depth + 1);
        return;
      case 'equals':
      case 'contains':
      case 'in':
      case 'range':
      case 'exists':
        break;
      default:
        refuse(
          `it has the op ${shown(op)}; there are equals, in, contains, range, exists, and, or, not`,
        );
    }
    if (!isStorableText(field)) refuse(`the field of "${op}" is ${shown(field)}; give a name`);
    if (op === 'equals' || op === 'contains') checkValue(value, op);
    if (op === 'range') checkBounds(part as FilterBounds);
    if (op !== 'in') return;
    if (!Array.isArray(values)) refuse('"in" needs a list of values');
    for (const one of values as unknown[]) checkValue(one, op);
  };
  visit(filter, 1);
}

/** What filters see of a chunk: its metadata, and `documentId` unless the metadata have their own. */
export function fieldsOf(chunk: Chunk): VectorMetadata {
  return { documentId: chunk.documentId, ...chunk.metadata };
}

/** Whether metadata match a filter that was checked. */
export function filterMatches(filter: MetadataFilter, metadata: VectorMetadata): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((inner) => filterMatches(inner, metadata));
    case 'or':
      return filter.filters.some((inner) => filterMatches(inner, metadata));
    case 'not':
      return !filterMatches(filter.filter, metadata);
    default:
  }
  if (!Object.hasOwn(metadata, filter.field)) return false;
  const found = metadata[filter.field];
  switch (filter.op) {
    case 'exists':
      return true;
    case 'equals':
      return found === filter.value;
    case 'in':
      return filter.values.some((value) => found === value);
    case 'contains':
      return Array.isArray(found) && found.some((one) => one === filter.value);
    case 'range':
      return isWithin(found, filter);
  }
}

function isWithin(found: unknown, { above, atLeast, below, atMost }: FilterBounds): boolean {
  const type = typeof (above ?? atLeast ?? below ?? atMost);
  if (typeof found !== type) return false;
  const side = (bound: number | string): number =>
    typeof found === 'string'
      ? compareTexts(found, bound as string)
      : (found as number) - (bound as number);
  return (
    (above === undefined || side(above) > 0) &&
    (atLeast === undefined || side(atLeast) >= 0) &&
    (below === undefined || side(below) < 0) &&
    (atMost === undefined || side(atMost) <= 0)
  );
}

/** Orders texts by code point, as databases order the bytes of UTF-8; code units would put emoji before U+E000. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for what comes after all other code units. */
const rank = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);

/** A text that every database can keep: no U+0000, no half of a surrogate pair. */
export function isStorableText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && !loneSurrogate.test(value);
}

const loneSurrogate = /\p{Surrogate}/u;

function checkBounds(bounds: FilterBounds): void {
  const given = boundNames.map((name) => bounds[name]).filter((bound) => bound !== undefined);
  const type = typeof given[0];
  if (type !== 'number' && type !== 'string') {
    refuse(`"range" needs one of ${boundNames.join(', ')}, a number or a text`);
  }
  for (const bound of given) {
    checkValue(bound, 'range');
    if (typeof bound !== type) refuse('the bounds of "range" are of different types');
  }
}

function checkValue(value: unknown, op: string): void {
  if (value === null || typeof value === 'boolean' || isStorableText(value)) return;
  if (typeof value === 'number' && Number.isFinite(value)) return;
  refuse(`"${op}" compares with ${shown(value)}; give a text, a finite number, a boolean or null`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function refuse(problem: string): never {
  throw new InvalidArgumentError(`The filter cannot be used: ${problem}.`);
}
