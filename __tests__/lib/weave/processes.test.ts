import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { documents } from './support.js';

const worker = resolve('__tests__/support/store/weave-worker.mjs');
const running = new Set<ChildProcess>();
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'chunkweave-weave-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

interface Told {
  readonly encoded: number;
  readonly cached: number;
  readonly ms: number;
}

function weaveProcess(job: { perRow: number; at?: number; hang?: boolean }) {
  const child = spawn(
    process.execPath,
    [worker, JSON.stringify({ ...job, directory, documents })],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  running.add(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const closed = once(child, 'close').then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const told = async (): Promise<Told> => {
    expect(await closed).toBe(0);
    return JSON.parse(output.trim().split('\n').at(-1) as string) as Told;
  };
  const begun = async (): Promise<void> => {
    while (!output.includes('begun')) await once(child.stdout, 'data');
  };
  return { child, closed, told, begun };
}

test('processes over one folder that need the same passages compute each of them once', async () => {
  const at = Date.now() + 1500;
  const processes = [1, 2, 3].map(() => weaveProcess({ perRow: 0.4, at }));
  const reports = await Promise.all(processes.map(({ told }) => told()));
  const sum = (pick: (told: Told) => number) => reports.reduce((all, told) => all + pick(told), 0);
  expect(sum(({ encoded }) => encoded)).toBe(6);
  expect(sum(({ cached }) => cached)).toBe(12);
});

test('a process that was killed while it computed holds nobody up for long', async () => {
  const victim = weaveProcess({ perRow: 1, hang: true });
  await victim.begun();
  victim.child.kill('SIGKILL');
  await victim.closed;
  const { encoded, ms } = await weaveProcess({ perRow: 0.4 }).told();
  expect(encoded).toBe(6);
  expect(ms).toBeLessThan(15_000);
});
