// Runs the tests that have a long form in that form, one file after another, and says how long each took, and what was
// skipped. Arguments are parts of paths; CHUNKWEAVE_SOAK_DOCUMENTS is how many random documents each chunker cuts, 100,000 unless
// it says otherwise.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = '__tests__';
const only = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join(folder, name))
  .filter((path) => /CHUNKWEAVE_SOAK|support\/soak\.js/.test(readFileSync(path, 'utf8')))
  .filter((path) => only.length === 0 || only.some((part) => path.includes(part)))
  .sort();

const env = { ...process.env, CHUNKWEAVE_SOAK: '1' };
// Where .ci/run installs it.
const s3 = join(tmpdir(), 'chunkweave-s3-server', 'bin', 'moto_server');
if (env.CHUNKWEAVE_S3_SERVER === undefined && existsSync(s3)) env.CHUNKWEAVE_S3_SERVER = s3;
const hnswlib = join(tmpdir(), 'chunkweave-hnswlib');
if (env.CHUNKWEAVE_HNSWLIB === undefined && existsSync(hnswlib)) env.CHUNKWEAVE_HNSWLIB = hnswlib;

const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--runInBand'];
const reports = mkdtempSync(join(tmpdir(), 'chunkweave-soak-'));
let failed = 0;
let skipped = 0;
const lines = [];
for (const [i, path] of files.entries()) {
  console.log(`\n== ${path}`);
  const start = performance.now();
  const report = join(reports, `${i}.json`);
  const args = ['--testTimeout', '1200000', '--json', '--outputFile', report, path];
  // With --json the report goes to stdout as well, beside what is to be seen on stderr.
  const { status } = spawnSync(process.execPath, [...jest, ...args], {
    stdio: ['inherit', 'ignore', 'inherit'],
    env,
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  if (status !== 0) failed++;
  const left = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).numPendingTests : 0;
  skipped += left;
  const note = left > 0 ? `  (${left} skipped)` : '';
  lines.push(`${status === 0 ? 'passed' : 'FAILED'} ${seconds.padStart(5)} s  ${path}${note}`);
}
rmSync(reports, { recursive: true });
const summary = `${files.length - failed} files passed, ${failed} failed, ${skipped} tests skipped`;
console.log(`\n${lines.join('\n')}\n${summary}`);
process.exitCode = failed > 0 || files.length === 0 ? 1 : 0;
