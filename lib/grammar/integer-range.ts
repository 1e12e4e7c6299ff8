import { grouped, literal } from './gbnf.js';

/** Most digits of an integer of a grammar: what a double holds exactly. */
const mostDigits = 15;

/**
 * An expression that matches exactly the integers from `low` to `high`, of up to 15 digits; undefined where there are
 * none. Either bound may be infinite.
 */
export function integerRange(low: number, high: number): string | undefined {
  const limit = 10 ** mostDigits - 1;
  const [from, to] = [Math.max(Math.ceil(low), -limit), Math.min(Math.floor(high), limit)];
  if (from > to) return undefined;
  const parts: string[] = [];
  if (from < 0) parts.push(`"-" ${grouped(naturals(Math.max(1, -to), -from).join(' | '))}`);
  if (to >= 0) parts.push(...naturals(Math.max(0, from), to));
  return parts.join(' | ');
}

/** Alternatives for the integers from `low` to `high`, `0 <= low <= high`. */
function naturals(low: number, high: number): string[] {
  const parts: string[] = [];
  for (let digits = String(low).length; digits <= String(high).length; digits++) {
    const least = digits === 1 ? 0 : 10 ** (digits - 1);
    const from = Math.max(low, least);
    const to = Math.min(high, 10 ** digits - 1);
    parts.push(...sameLength(String(from), String(to)));
  }
  return parts;
}

/** Alternatives for the texts of digits between two of the same length. */
function sameLength(from: string, to: string): string[] {
  if (from === to) return [literal(from)];
  const rest = from.length - 1;
  const [a, b] = [Number(from[0]), Number(to[0])];
  if (rest === 0) return [digit(a, b)];
  if (a === b) return [`"${a}" ${grouped(sameLength(from.slice(1), to.slice(1)).join(' | '))}`];
  const parts: string[] = [];
  let [first, last] = [a, b];
  if (!/^0+$/.test(from.slice(1))) {
    parts.push(`"${a}" ${grouped(sameLength(from.slice(1), '9'.repeat(rest)).join(' | '))}`);
    first++;
  }
  const isFull = /^9+$/.test(to.slice(1));
  if (!isFull) last--;
  if (first <= last) parts.push(`${digit(first, last)} [0-9]{${rest}}`);
  if (!isFull) {
    parts.push(`"${b}" ${grouped(sameLength('0'.repeat(rest), to.slice(1)).join(' | '))}`);
  }
  return parts;
}

function digit(from: number, to: number): string {
  return from === to ? `"${from}"` : `[${from}-${to}]`;
}
