import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('the example runs as it stands, and follow-ups compute less than the first question', async () => {
  const file = join(import.meta.dirname, '../../../../examples/chat.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [file, '--fake']);
  const turns = Array.from(
    stdout.matchAll(/\[(\d+) tokens of conversation: (\d+) in place, (\d+) computed/g),
    ([, ...numbers]) => numbers.map(Number),
  );
  expect(turns).toHaveLength(3);
  const [first, ...others] = turns;
  for (const [prompt, cached, computed] of others) {
    expect(cached! + computed!).toBe(prompt!);
    expect(cached!).toBeGreaterThanOrEqual(first![0]!);
  }
});
