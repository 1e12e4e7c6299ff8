import type { VectorMetadata } from '../vector-metadata.js';
import { isStorableText } from '../filter.js';

const maxDepth = 32;

export const noMetadata: VectorMetadata = Object.freeze({});

/** A problem with metadata, told with the place where it is. */
export class MetadataProblem extends Error {}

/**
 * A frozen copy of metadata, which nobody can change under the index.
 * @throws MetadataProblem for what is no plain JSON.
 */
export function copyMetadata(metadata: VectorMetadata | undefined): VectorMetadata {
  if (metadata === undefined) return noMetadata;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw new MetadataProblem('metadata must be an object');
  }
  return copy(metadata, 'metadata', 0) as VectorMetadata;
}

function copy(value: unknown, place: string, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      if (isStorableText(value)) return value;
      throw new MetadataProblem(`${place} holds U+0000 or half of a surrogate pair`);
    case 'number':
      if (Number.isFinite(value)) return value;
      throw new MetadataProblem(`${place} is ${value}, no finite number`);
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      throw new MetadataProblem(`${place} is of type ${typeof value}, which JSON does not have`);
  }
  if (value === null) return null;
  // A cycle ends here as well.
  if (depth >= maxDepth) throw new MetadataProblem(`${place} is nested more than ${maxDepth} deep`);
  if (Array.isArray(value)) {
    return Object.freeze(value.map((one, i) => copy(one, `${place}[${i}]`, depth + 1)));
  }
  if (!isPlain(value)) {
    throw new MetadataProblem(`${place} is no plain object; give a text, a number or a list`);
  }
  const result: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    if (!isStorableText(name)) throw new MetadataProblem(`${place} has a name with U+0000`);
    // A plain assignment would take `__proto__` for something else.
    Object.defineProperty(result, name, {
      value: copy(inner, `${place}.${name}`, depth + 1),
      enumerable: true,
    });
  }
  return Object.freeze(result);
}

/** Of this realm or of another one, as under Jest. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
