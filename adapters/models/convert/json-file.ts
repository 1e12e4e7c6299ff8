import { readFile, stat } from 'node:fs/promises';
import { ModelFileError } from '../../../lib/errors.js';

/** A JSON object whose members are yet to be checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A vocabulary of a million tokens takes less. */
const MOST = 64 << 20;

/** What a file holds, or undefined where there is none. @throws ModelFileError unless it is JSON. */
export async function readJson(path: string): Promise<unknown> {
  const size = await stat(path).then(
    (info) => (info.isFile() ? info.size : undefined),
    () => undefined,
  );
  if (size === undefined) return undefined;
  if (size > MOST) throw new ModelFileError(path, `${size} bytes are too many for a JSON file.`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ModelFileError(path, `it is no JSON (${(cause as Error).message}).`, { cause });
  }
}

/** Like {@link readJson} for an object. */
export async function readObject(path: string): Promise<JsonObject | undefined> {
  const value = await readJson(path);
  if (value === undefined || isObject(value)) return value;
  throw new ModelFileError(path, 'it is no JSON object.');
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
