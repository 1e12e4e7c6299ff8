import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('the example runs as it stands, and later questions read from the cache', async () => {
  const file = join(import.meta.dirname, '../../../examples/langchain-rag.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [file, '--fake']);
  const cached = Array.from(stdout.matchAll(/\[(\d+) of \d+ prompt tokens/g), ([, tokens]) =>
    Number(tokens),
  );
  expect(cached.length).toBe(3);
  expect(cached[2]).toBeGreaterThan(0);
});
