import {
  boundNames,
  type FilterBounds,
  type FilterValue,
  type MetadataFilter,
} from '../../lib/retrieve/filter.js';

/** Values that a statement is sent with, as texts: they mean the same to every client. */
export class Parameters {
  readonly values: string[] = [];

  /** What stands for the value in the statement. */
  bind(value: string): string {
    this.values.push(value);
    return `$${this.values.length}::text`;
  }
}

const signs = { above: '>', atLeast: '>=', below: '<', atMost: '<=' } as const;

/**
 * A condition on the column `metadata`, of type jsonb, which is true or false and never null. Nothing of the filter
 * stands in it: fields and values are bound.
 */
export function conditionOf(filter: MetadataFilter, parameters: Parameters): string {
  switch (filter.op) {
    case 'and':
    case 'or': {
      const parts = filter.filters.map((inner) => conditionOf(inner, parameters));
      if (parts.length === 0) return filter.op === 'and' ? 'true' : 'false';
      return `(${parts.join(filter.op === 'and' ? ' AND ' : ' OR ')})`;
    }
    case 'not':
      return `(NOT ${conditionOf(filter.filter, parameters)})`;
    default:
  }
  const field = `(metadata -> ${parameters.bind(filter.field)})`;
  switch (filter.op) {
    case 'exists':
      return `(${field} IS NOT NULL)`;
    case 'equals':
      return `coalesce(${field} = ${json(filter.value, parameters)}, false)`;
    case 'in':
      return `coalesce(${field} IN (SELECT jsonb_array_elements(${json(filter.values, parameters)})), false)`;
    case 'contains':
      // A list of the value alone is in a list that holds it; a text is not taken for a list of itself.
      return `coalesce(jsonb_typeof(${field}) = 'array' AND ${field} @> ${json([filter.value], parameters)}, false)`;
    case 'range':
      return rangeOf(field, filter, parameters);
  }
}

function rangeOf(field: string, bounds: FilterBounds, parameters: Parameters): string {
  const given = boundNames.filter((name) => bounds[name] !== undefined);
  const isText = typeof bounds[given[0] as keyof FilterBounds] === 'string';
  // `#>> '{}'` is the text or number itself. A cast is only made where the type is right: CASE looks in order.
  const value = isText ? `(${field} #>> '{}') COLLATE "C"` : `(${field} #>> '{}')::numeric`;
  const conditions = given.map((name) => {
    const bound = String(bounds[name]);
    return `${value} ${signs[name]} ${parameters.bind(bound)}${isText ? '' : '::numeric'}`;
  });
  const type = isText ? 'string' : 'number';
  return `(CASE WHEN jsonb_typeof(${field}) = '${type}' THEN ${conditions.join(' AND ')} ELSE false END)`;
}

function json(value: FilterValue | readonly FilterValue[], parameters: Parameters): string {
  return `${parameters.bind(JSON.stringify(value))}::jsonb`;
}
