// Runs the tests that have a long form in that form, one file after another, and says how long each took.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = '__tests__';
const only = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join(folder, name))
  .filter((path) => readFileSync(path, 'utf8').includes('CHUNKWEAVE_SOAK'))
  .filter((path) => only.length === 0 || only.some((part) => path.includes(part)))
  .sort();

const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--runInBand'];
let failed = 0;
const lines = [];
for (const path of files) {
  console.log(`\n== ${path}`);
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [...jest, '--testTimeout', '1200000', path], {
    stdio: 'inherit',
    env: { ...process.env, CHUNKWEAVE_SOAK: '1' },
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  if (status !== 0) failed++;
  lines.push(`${status === 0 ? 'passed' : 'FAILED'} ${seconds.padStart(5)} s  ${path}`);
}
console.log(`\n${lines.join('\n')}\n${files.length - failed} files passed, ${failed} failed`);
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;
