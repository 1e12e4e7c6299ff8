import { expect, test } from '@jest/globals';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileLog } from '../../../adapters/fs/index.js';
import { newFolder } from '../../support/store/folders.js';

async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of fileLog(path).read()) lines.push(line);
  return lines;
}

test('lines come back in order; a file that is not there has none', async () => {
  const path = join(await newFolder(), 'deep', 'results.jsonl');
  expect(await linesOf(path)).toEqual([]);
  const log = fileLog(path);
  for (const line of ['{"a":1}', '{"text":"ä\u2028"}', '3']) await log.append(line);
  expect(await linesOf(path)).toEqual(['{"a":1}', '{"text":"ä\u2028"}', '3']);
});

test('a line that was cut short stays alone', async () => {
  const path = join(await newFolder(), 'results.jsonl');
  const log = fileLog(path);
  await log.append('{"a":1}');
  await appendFile(path, '{"b":');
  await log.append('{"c":3}');
  expect(await linesOf(path)).toEqual(['{"a":1}', '{"b":', '{"c":3}']);
  expect(await readFile(path, 'utf8')).toBe('{"a":1}\n{"b":\n{"c":3}\n');
});

test('what cannot be read is told of', async () => {
  const folder = await newFolder();
  await writeFile(join(folder, 'file'), '');
  await expect(linesOf(folder)).rejects.toThrow(/EISDIR/);
  await expect(fileLog(join(folder, 'file', 'x')).append('1')).rejects.toThrow(/ENOTDIR|EEXIST/);
});
