import { afterAll, beforeAll, test } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../free-port.js';

/** moto's server (PyPI: `moto[server]`), in the path or where CHUNKWEAVE_S3_SERVER says. */
const program = process.env['CHUNKWEAVE_S3_SERVER'] ?? 'moto_server';
const isThere = spawnSync(program, ['--help']).status === 0;

if (!isThere && process.env['CI_S3_REQUIRED']) {
  throw new Error(`CI_S3_REQUIRED is set, but ${program} cannot be run.`);
}

/** Like `test`, skipped where there is no server to be had. */
export const s3Test: typeof test = isThere ? test : (test.skip as typeof test);

export const bucket = 'chunk-kv';

export interface S3Server {
  readonly port: number;
  readonly connection: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** A client that looks behind the stores' back. */
  readonly client: S3Client;
  /** Ends it in this moment; what it held is gone. */
  kill(): Promise<void>;
  /** Starts it anew on the same port, with an empty bucket. */
  restart(): Promise<void>;
  /** Stops it in the middle of whatever it is doing: connections stay, and nothing is answered. */
  freeze(): void;
  thaw(): void;
}

const running = new Set<ChildProcess>();
const clients = new Set<S3Client>();

afterAll(async () => {
  for (const client of clients) client.destroy();
  await Promise.all([...running].map((child) => end(child)));
});

/** Where a server on a port would be reached. */
export function connectionTo(port: number): S3Server['connection'] {
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'somebody', secretAccessKey: 'secret' },
  };
}

/** A server of its own on a free port, which keeps nothing on the disk. It ends with the tests of the file. */
export async function startS3(): Promise<S3Server> {
  const port = await freePort();
  const connection = connectionTo(port);
  const client = new S3Client({ ...connection, forcePathStyle: true, maxAttempts: 1 });
  clients.add(client);
  const begin = async (): Promise<ChildProcess> => {
    const child = await start(port);
    const CreateBucketConfiguration = { LocationConstraint: 'eu-central-1' } as const;
    await client.send(new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration }));
    return child;
  };
  let child = await begin();
  return {
    port,
    connection,
    client,
    kill: () => end(child),
    async restart() {
      await end(child);
      child = await begin();
    },
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
  };
}

/** A server for all tests of a file. There once the first test runs. */
export function sharedS3(): { readonly server: S3Server } {
  const shared = {} as { server: S3Server };
  if (isThere) {
    beforeAll(async () => {
      shared.server = await startS3();
    }, 60_000);
  }
  return shared;
}

async function start(port: number): Promise<ChildProcess> {
  const child = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  running.add(child);
  const giveUpAt = performance.now() + 45_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answers) return child;
    if (performance.now() > giveUpAt) throw new Error(`${program} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (!running.delete(child)) return;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
