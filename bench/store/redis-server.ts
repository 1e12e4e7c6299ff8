import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { redisStore, type RedisStore } from '../../adapters/redis/index.js';

export interface RunningRedis {
  readonly port: number;
  /** A store on it, to be closed before it is stopped. */
  store(): RedisStore;
  stop(): Promise<void>;
}

export const noRedis = 'neither redis-server nor valkey-server is installed';

/** The first of these programs that is installed. */
export function firstInstalled(...programs: readonly string[]): string | undefined {
  return programs.find((program) => spawnSync(program, ['--version']).status === 0);
}

/** Starts a Redis or Valkey server of its own; undefined where none is installed. */
export async function startRedis(directory: string): Promise<RunningRedis | undefined> {
  const program = firstInstalled('redis-server', 'valkey-server');
  if (program === undefined) return undefined;
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await ready(server, program);
  return {
    port,
    // A machine that is busy must not turn a time into a miss.
    store: () => redisStore({ url: `redis://127.0.0.1:${port}`, timeoutMs: 60_000 }),
    stop: () =>
      new Promise((resolve) => {
        server.once('exit', () => resolve());
        server.kill();
      }),
  };
}

function ready(server: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    server.stdout?.on('data', (data: Buffer) => {
      text += data.toString();
      if (/ready to accept connections/i.test(text)) resolve();
    });
    server.once('exit', (code) => reject(new Error(`${program} ended with ${code}: ${text}`)));
    server.once('error', reject);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
