import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, jest, test } from '@jest/globals';
import { chunkweave } from '../../support/cli.js';
import type { ChildProcess } from 'node:child_process';
import { tinyFile } from '../../support/native.js';

jest.setTimeout(60_000);

const cache = mkdtempSync(join(tmpdir(), 'chunkweave-cli-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

const run = (...args: string[]) => chunkweave(args, { cache });

test('help lists every command, and each command explains itself', async () => {
  const { code, stdout } = await run('--help');
  expect(code).toBe(0);
  for (const name of ['ask', 'explain', 'ingest', 'demo', 'models', 'store', 'devices', 'doctor']) {
    expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
  // What each says is checked without processes in help.test.ts.
  const help = await run('ask', '--help');
  expect(help.code).toBe(0);
  expect(help.stdout).toContain('chunkweave ask');
  expect((await run('help', 'ask')).stdout).toBe(help.stdout);
});

test('no command shows the help and fails; an unknown one names the help', async () => {
  expect(await run()).toMatchObject({ code: 2, stdout: '' });
  const unknown = await run('aks');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('There is no command "aks"');
});

test('the version is that of the package', async () => {
  expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('doctor finds this machine healthy, without a download', async () => {
  const start = performance.now();
  const { code, stdout } = await run('doctor');
  const first = performance.now() - start;
  expect(stdout).toContain('Everything works.');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ok {3}splice, move and refresh .*llama\.cpp's$/m);
  expect(stdout).not.toContain(process.cwd());
  const again = performance.now();
  const json = JSON.parse((await run('doctor', '--json')).stdout) as {
    readonly healthy: boolean;
    readonly checks: readonly { ok: boolean }[];
  };
  // Other tests run beside this one, so the quicker of two counts.
  expect(Math.min(first, performance.now() - again)).toBeLessThan(10_000);
  expect(json.healthy).toBe(true);
  expect(json.checks.length).toBeGreaterThanOrEqual(7);
});

test('doctor says what is wrong when the libraries cannot be used', async () => {
  const { code, stdout } = await chunkweave(['doctor'], {
    cache,
    env: { CHUNKWEAVE_BINARIES: cache },
  });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^FAIL native libraries .*npm install/m);
});

test('devices lists the CPU with its memory and how to install the others', async () => {
  const { code, stdout } = await run('devices');
  expect(code).toBe(0);
  expect(stdout).toMatch(/CPU \(cpu\): .* free/);
  const reports = JSON.parse((await run('devices', '--json')).stdout) as {
    readonly variant: string;
    readonly installed: boolean;
    readonly note?: string;
  }[];
  expect(reports.find(({ variant }) => variant === 'base')?.installed).toBe(true);
  for (const { installed, note } of reports) {
    if (!installed) expect(note).toMatch(/^npm install @node-llama-cpp\//);
  }
});

test('models: list, path and remove', async () => {
  const { stdout } = await run('models', 'list');
  expect(stdout).toContain('smollm2-135m-instruct');
  expect(stdout).toMatch(/qwen3-0\.6b .*hash not pinned/);
  expect(await run('models', 'path', 'gemma3-270m')).toMatchObject({ code: 1, stdout: '' });
  expect((await run('models', 'remove', 'gemma3-270m')).code).toBe(1);
  const file = await tinyFile({ architecture: 'llama' });
  expect((await run('models', 'path', file)).stdout.trim()).toBe(file);
  const pulled = await run('models', 'pull', file);
  expect(pulled).toMatchObject({ code: 0, stdout: `${file}\n` });
  expect((await run('models', 'pull', file, '--sha256', '0'.repeat(64))).code).toBe(1);
});

test.each([
  [['models'], /Say what to do/],
  [['models', 'pull'], /Which model\?/],
  [['models', 'pull', 'a', 'b'], /one model at a time/],
  [['models', 'pull', 'x', '--sha256', 'abc'], /is no SHA-256/],
  [['models', 'pull', 'hf:owner'], /names no file of a hub/],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await run(...args);
  expect(stderr).toMatch(message);
  expect(code).not.toBe(0);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops what waits for a server, with code %i', async (signal, expected) => {
  let child: ChildProcess | undefined;
  // Never answers.
  const server = createServer(() => child?.kill(signal)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const { code, stderr } = await chunkweave(['models', 'pull', 'hf:someone/something/model.gguf'], {
    cache,
    env: { HF_ENDPOINT: `http://127.0.0.1:${port}` },
    watch: (_stderr, started) => {
      child = started;
    },
  });
  server.closeAllConnections();
  server.close();
  expect(stderr).toContain('Stopped.');
  expect(code).toBe(expected);
});
