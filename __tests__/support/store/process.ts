import { afterAll } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FolderStoreOptions } from '../../../adapters/fs/index.js';
import type { SampleRecordOptions } from '../../../lib/testing/index.js';

const worker = join(import.meta.dirname, 'worker.mjs');
const running = new Set<ChildProcess>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Job {
  readonly task: string;
  readonly store: Pick<FolderStoreOptions, 'directory' | 'maxBytes' | 'fsync'>;
  readonly shape?: SampleRecordOptions;
  readonly [more: string]: unknown;
}

export interface StoreProcess {
  /** Resolves when it has begun. */
  readonly ready: Promise<void>;
  /** Resolves when it has told something of this name, or has ended. */
  says(name: string): Promise<void>;
  /** What it has told so far, whole lines only. */
  told(): Record<string, unknown>[];
  /** Resolves to all that it told. Rejects when it failed. */
  readonly done: Promise<Record<string, unknown>[]>;
  /** Ends it in this moment, whatever it is doing. */
  kill(): Promise<void>;
}

/** Another process over a folder, from the built package; see the worker for its tasks. */
export function startProcess(job: Job, nodeOptions: readonly string[] = []): StoreProcess {
  const child = spawn(process.execPath, [...nodeOptions, worker, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  let output = '';
  let ended = false;
  const listeners = new Set<() => void>();
  let heard: () => void;
  const ready = new Promise<void>((resolve) => (heard = resolve));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.includes('\n')) heard();
    for (const listener of listeners) listener();
  });
  const told = () =>
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .slice(1);
  const closed = once(child, 'close').then(([code]) => {
    running.delete(child);
    ended = true;
    heard();
    for (const listener of listeners) listener();
    return code as number | null;
  });
  const done = closed.then((code) => {
    if (code !== 0) throw new Error(`the process ended with ${code}`);
    return told();
  });
  done.catch(() => {});
  return {
    ready,
    says: (name) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!ended && !told().some((message) => name in message)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
    told,
    done,
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
