import { expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reportOf } from '../../../bench/store/child.js';
import { newFolder } from '../../support/store/folders.js';

async function run(code: string, args: readonly (string | number)[] = []): Promise<unknown> {
  const worker = join(await newFolder(), 'worker.mjs');
  await writeFile(worker, code);
  return reportOf(worker, args);
}

test('the report of a process comes once it has ended well', async () => {
  const code = 'process.send(process.argv.slice(2)); process.disconnect();';
  expect(await run(code, ['a', 1])).toEqual(['a', '1']);
});

test.each([
  ['killed', "process.kill(process.pid, 'SIGKILL'); setTimeout(() => {}, 60_000);", /SIGKILL/],
  ['done with an error', 'process.exit(3);', /ended with 3/],
  ['done without a word', '', /reported nothing/],
  [
    'killed after its report',
    "process.send(1, () => process.kill(process.pid, 'SIGKILL')); setTimeout(() => {}, 60_000);",
    /SIGKILL/,
  ],
])('a process that is %s is a failure, and nobody waits for it', async (_, code, message) => {
  await expect(run(code)).rejects.toThrow(message);
});
