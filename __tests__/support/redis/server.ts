import { afterAll, beforeAll, test } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.js';

const program =
  ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['-v']).status === 0) ?? '';

if (program === '' && process.env['CI_REDIS_REQUIRED']) {
  throw new Error('CI_REDIS_REQUIRED is set, but neither redis-server nor valkey-server is here.');
}

/** Like `test`, skipped where there is no server to be had. */
export const redisTest: typeof test = program === '' ? (test.skip as typeof test) : test;

/** Prepares what such tests need. */
export const beforeRedisTests = (prepare: () => Promise<void>): void => {
  if (program !== '') beforeAll(prepare);
};

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** Ends it in this moment; what it held is gone. */
  kill(): Promise<void>;
  /** Starts it anew on the same port. */
  restart(): Promise<void>;
  /** Stops it in the middle of whatever it is doing: connections stay, and nothing is answered. */
  freeze(): void;
  thaw(): void;
}

const running = new Set<ChildProcess>();
const folders: string[] = [];

afterAll(async () => {
  await Promise.all([...running].map((child) => end(child)));
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** A server of its own on a free port, which keeps nothing on the disk. It ends with the tests of the file. */
export async function startRedis(...options: readonly string[]): Promise<RedisServer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-redis-'));
  folders.push(folder);
  let child = await start(port, folder, options);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => end(child),
    async restart() {
      await end(child);
      child = await start(port, folder, options);
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  };
}

async function start(
  port: number,
  folder: string,
  options: readonly string[],
): Promise<ChildProcess> {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const child = spawn(program, [...fixed, '--save', '', '--appendonly', 'no', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-10_000);
      if (/ready to accept connections/i.test(output)) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}:\n${output}`)));
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (!running.delete(child)) return;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
