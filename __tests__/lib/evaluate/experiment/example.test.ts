import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('the example runs as it stands, writes its report, and goes on from its log', async () => {
  const out = await mkdtemp(join(tmpdir(), 'experiment-'));
  try {
    const file = join(import.meta.dirname, '../../../../examples/experiment.mjs');
    const run = () => promisify(execFile)(process.execPath, [file, '--out', out, '--limit', '1']);
    const first = await run();
    expect(first.stderr).toContain('9 of 9 cells, 0 of them from the log');
    const second = await run();
    expect(second.stderr).toContain('9 of 9 cells, 9 of them from the log');
    expect(second.stdout).toMatch(/^maxTokens +topK +cells +failed +recall/);
    expect((await readdir(out)).map((name) => name.replace(/-.*/, '')).toSorted()).toEqual([
      'cells.csv',
      'log',
      'report.html',
      'settings.csv',
      'settings.md',
    ]);
    const cells = (await readFile(join(out, 'cells.csv'), 'utf8')).trimEnd().split('\n');
    expect(cells).toHaveLength(10);
    // A passage of 250 tokens that is found holds the reference, which is a part of a sentence.
    const recalls = cells.slice(1).map((line) => Number(line.split(',')[4]));
    expect(Math.max(...recalls)).toBe(1);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('<svg');
  } finally {
    await rm(out, { recursive: true });
  }
}, 180_000);
