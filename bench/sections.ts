import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, InvalidArgumentError } from '../lib/index.js';

/**
 * The sections of a folder's `docs.json`, of `[{ chunk_link, chunk_heading, text }]`, that have text, by their links.
 * @throws InvalidArgumentError for another form
 */
export async function readSections(folder: string): Promise<Document[]> {
  const path = join(folder, 'docs.json');
  const documents = new Map<string, Document>();
  for (const [i, section] of listOf(await readJson(path), path).entries()) {
    const at = `${path}, entry ${i}`;
    const id = textOf(section, 'chunk_link', at);
    const text = textOf(section, 'text', at);
    if (text.trim() !== '') documents.set(id, { id, text });
  }
  return [...documents.values()];
}

/** The pages that sections are parts of: all whose links are the same up to the `#`, one after another. */
export function pagesOf(sections: readonly Document[]): Document[] {
  const texts = new Map<string, string[]>();
  for (const { id, text } of sections) {
    texts.set(pageOf(id), [...(texts.get(pageOf(id)) ?? []), text]);
  }
  return [...texts].map(([id, parts]) => ({ id, text: parts.join('\n\n') }));
}

export function pageOf(link: string): string {
  return link.split('#')[0] as string;
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgumentError(`${path} is no JSON: ${String(cause)}`);
  }
}

type Entry = Readonly<Record<string, unknown>>;

export function listOf(value: unknown, at: string, of: 'objects' | 'any' = 'objects'): Entry[] {
  const fits =
    Array.isArray(value) &&
    value.length > 0 &&
    (of === 'any' || value.every((item) => typeof item === 'object' && item !== null));
  if (fits) return value as Entry[];
  throw new InvalidArgumentError(`${at}: here should be a list of ${of}, not an empty one.`);
}

export function textOf(entry: Entry | undefined, name: string, at: string): string {
  const value = entry?.[name];
  if (typeof value === 'string') return value;
  throw new InvalidArgumentError(`${at}: "${name}" should be a text.`);
}
