import { InvalidArgumentError } from '../../lib/errors.js';

/**
 * A name as SQL takes it. Only plain names are let through at all: letters, digits and underlines, so that quoting has
 * nothing to do.
 * @throws InvalidArgumentError
 */
export function quotedName(option: string, name: unknown, maxLength = 63): string {
  const isPlain = typeof name === 'string' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
  if (isPlain && name.length <= maxLength) return `"${name}"`;
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : String(name);
  throw new InvalidArgumentError(
    `pgVectorIndex: ${option} is ${shown}; give 1 to ${maxLength} letters, digits and underlines, no digit first.`,
  );
}
