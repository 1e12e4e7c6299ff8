import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LoadOptions } from '../fs/index.js';
import type { Flags } from './flags.js';
import { UsageError } from './usage-error.js';

/** Which files of a folder are read, and how records become text: plain data, kept between runs. */
export interface DocumentChoice {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Leave ignore files unread. */
  readonly noIgnore?: boolean;
  /** Fields of rows and records, or a text with `{field}` in it. */
  readonly recordText?: string;
}

/** Flags of all commands that read documents. */
export const documentFlags = {
  include: { type: 'string', multiple: true },
  exclude: { type: 'string', multiple: true },
  'no-ignore': { type: 'boolean' },
  'record-text': { type: 'string' },
} as const satisfies Flags;

interface DocumentValues {
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly 'no-ignore'?: boolean | undefined;
  readonly 'record-text'?: string | undefined;
}

/** What the flags say, if any is given. @throws UsageError for an empty one */
export function documentChoice(values: DocumentValues): DocumentChoice | undefined {
  const { include, exclude, 'no-ignore': noIgnore, 'record-text': recordText } = values;
  for (const [name, given] of Object.entries({ include, exclude, 'record-text': recordText })) {
    if (given !== undefined && [given].flat().some((text) => text.trim() === '')) {
      throw new UsageError(`--${name} is empty.`);
    }
  }
  const choice: DocumentChoice = {
    ...(include && { include }),
    ...(exclude && { exclude }),
    ...(noIgnore && { noIgnore }),
    ...(recordText !== undefined && { recordText }),
  };
  return Object.keys(choice).length > 0 ? choice : undefined;
}

/** As options of `loadDocuments`. */
export function loadOptionsOf(choice: DocumentChoice): LoadOptions {
  const { include, exclude, noIgnore, recordText: text } = choice;
  return {
    include,
    exclude,
    ...(noIgnore && { ignoreFiles: [] }),
    ...(text !== undefined && {
      records: { text: text.includes('{') ? text : text.split(',').map((name) => name.trim()) },
    }),
  };
}

/** The choice that was kept for a folder; that of no flags where there is none, or none that can be read. */
export async function readChoice(file: string): Promise<DocumentChoice> {
  const text = await readFile(file, 'utf8').catch(() => '{}');
  try {
    const value: unknown = JSON.parse(text);
    return isChoice(value) ? value : {};
  } catch {
    return {};
  }
}

/** Keeps a choice for later questions. Failing to is no error: then they need the flags again. */
export async function keepChoice(file: string, choice: DocumentChoice): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(choice), { mode: 0o600 });
  } catch {
    // A convenience only.
  }
}

function isChoice(value: unknown): value is DocumentChoice {
  if (typeof value !== 'object' || value === null) return false;
  const { include = [], exclude = [], recordText = '' } = value as Record<string, unknown>;
  return isTexts(include) && isTexts(exclude) && typeof recordText === 'string';
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
