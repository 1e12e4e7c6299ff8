import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { lastFolder } from './collection.js';
import type { Io } from './command.js';
import { UsageError } from './usage-error.js';

/** What `COMMAND [DIR] "question"` names; without DIR the folder that was used last. @throws UsageError */
export async function questionArguments(
  command: string,
  positionals: readonly string[],
  io: Io,
): Promise<{ directory: string; question: string }> {
  const [first = '', second, ...rest] = positionals;
  const usage = `chunkweave ${command} DIR "question"`;
  if (rest.length > 0) throw new UsageError(`Put the question in quotes: ${usage}`);
  const question = second ?? first;
  if (question.trim() === '') throw new UsageError(`The question is empty. Run: ${usage}`);
  if (second !== undefined) return { directory: first, question };
  // A lone path is a forgotten question, not a question.
  if (await stat(resolve(io.cwd, first)).catch(() => undefined)) {
    throw new UsageError(
      `${first} is a path. Add the question: chunkweave ${command} ${first} "question"`,
    );
  }
  return { directory: await lastFolder(io), question };
}
