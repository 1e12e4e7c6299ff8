import { InvalidArgumentError } from '../../lib/errors.js';
import { maxDepth, maxValues } from './packed-values.js';

/**
 * Refuses notes that would not come back as they are, or that a reader would refuse.
 * @throws InvalidArgumentError that names the place and what to put there.
 */
export function assertDetails(details: unknown): void {
  let values = 0;
  const look = (value: unknown, place: string, depth: number): void => {
    if (++values > maxValues) refuse(place, `is one of more than ${maxValues} values`);
    switch (typeof value) {
      case 'string':
      case 'number':
      case 'boolean':
      case 'undefined':
        return;
      case 'object':
        break;
      default:
        refuse(place, `is a ${typeof value}`);
    }
    if (value === null || value instanceof Uint8Array) return;
    if (depth === maxDepth) refuse(place, `lies more than ${maxDepth} deep`);
    if (Array.isArray(value)) {
      for (const [i, inner] of value.entries()) look(inner, `${place}[${i}]`, depth + 1);
    } else if (isPlain(value)) {
      for (const [name, inner] of Object.entries(value)) {
        if (name === '__proto__') refuse(place, 'has a field __proto__');
        look(inner, `${place}.${name}`, depth + 1);
      }
    } else {
      refuse(place, `is a ${value.constructor?.name ?? 'special object'}`);
    }
  };
  look(details, 'details', 0);
}

/** Also where the object comes from another realm, such as a worker's or a test's. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(place: string, problem: string): never {
  throw new InvalidArgumentError(
    `Cannot keep this chunk KV: ${place.slice(0, 80)} ${problem}. Notes may hold numbers, text, lists, plain objects and, for many numbers, Uint8Arrays.`,
  );
}
