import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Runs the tests: those that compute on one thread side by side, then those that start processes and servers or run models on
 * the native engine, which has threads of its own, one after another. With arguments, just what they say.
 */
const jest = fileURLToPath(new URL('../node_modules/jest/bin/jest.js', import.meta.url));
const adapters = [
  'ai-sdk',
  'fs/documents',
  'hnswlib',
  'langchain',
  'models',
  'openai',
  'opentelemetry',
  'pgvector',
  'prometheus',
  'record',
  'transformers',
  'tree-sitter',
];
const pure = [
  '__tests__/lib/',
  '__tests__/bench/',
  ...adapters.map((name) => `__tests__/adapters/${name}/`),
];

function run(args, env = {}) {
  const command = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest];
  const { status } = spawnSync(process.execPath, [...command, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status ?? 1;
}

const args = process.argv.slice(2);
if (args.length > 0) process.exit(run(args));

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-tests-'));
const parts = [
  [...pure, `--maxWorkers=${Math.max(1, Math.min(4, availableParallelism()))}`],
  ['--runInBand', ...pure.flatMap((path) => ['--testPathIgnorePatterns', path])],
];
let code = 0;
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const [i, part] of parts.entries()) {
  const file = join(folder, String(i));
  // All parts run, whatever came of those before.
  const status = run(part, { CHUNKWEAVE_TEST_COUNTS: file });
  code ||= status;
  const counts = readCounts(file);
  for (const name of Object.keys(sum)) sum[name] += counts[name];
}
rmSync(folder, { recursive: true, force: true });
const skipped = sum.skipped ? `, ${sum.skipped} skipped` : '';
console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
process.exit(code);

/** A part that never came to its end has failed as a whole. */
function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    code ||= 1;
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
