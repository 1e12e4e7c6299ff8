import { parseJson } from '../../json-lines.js';

/** An object of question data. */
export type Entry = Readonly<Record<string, unknown>>;

/** What is wrong with an entry; whoever reads it says where it is. */
export class EntryProblem extends Error {}

export function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws EntryProblem */
export function textOf(entry: Entry, ...names: readonly string[]): string {
  const value = valueOf(entry, names);
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw new EntryProblem(`it has no ${named(names)} that is a text`);
}

/** A text, a number as a text, or undefined where there is neither. */
export function nameOf(entry: Entry, ...names: readonly string[]): string | undefined {
  const value = valueOf(entry, names);
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Texts of a list, or one that is none; numbers become texts. Cells of tables may hold lists as JSON. */
export function textsOf(entry: Entry, ...names: readonly string[]): string[] {
  const value = valueOf(entry, names);
  const list = typeof value === 'string' ? listIn(value) : undefined;
  return [list ?? value ?? []]
    .flat()
    .filter((item) => typeof item === 'string' || typeof item === 'number')
    .map(String)
    .filter((text) => text.trim() !== '');
}

/** @throws EntryProblem where there is no list, or an empty one */
export function listOf(entry: Entry, ...names: readonly string[]): readonly unknown[] {
  const value = valueOf(entry, names);
  const list = Array.isArray(value) ? value : typeof value === 'string' ? listIn(value) : undefined;
  if (list && list.length > 0) return list;
  throw new EntryProblem(`it has no ${named(names)} that is a list with something in it`);
}

/** The list that a text is as JSON. */
function listIn(text: string): unknown[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  const parsed = parseJson(text);
  return 'value' in parsed && Array.isArray(parsed.value) ? parsed.value : undefined;
}

function valueOf(entry: Entry, names: readonly string[]): unknown {
  const name = names.find((one) => entry[one] !== undefined && entry[one] !== null);
  return name === undefined ? undefined : entry[name];
}

function named(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(' or ');
}
