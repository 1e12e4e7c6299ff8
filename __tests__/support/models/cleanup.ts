import { afterAll } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const tasks: (() => Promise<unknown>)[] = [];

/** Undone when the tests of the file are through, the last first. */
export function later(task: () => Promise<unknown>): void {
  tasks.push(task);
}

afterAll(async () => {
  for (const task of tasks.toReversed()) await task();
});

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-models-'));
  later(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Asks again and again until the answer is yes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}
