import { execFile } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compute, type OwnCompute, runtime, scratch, tinyFile } from '../../support/native.js';

const worker = join(import.meta.dirname, '..', '..', 'support', 'ggml', 'beside-worker.mjs');
const TOKENS = 20;

interface Outcome {
  readonly logits: number[];
  readonly during: number;
  readonly ended: number;
  readonly code?: string;
  readonly message?: string;
}

let own: OwnCompute;
let expected: Float32Array;
beforeAll(async () => {
  own = await compute(await tinyFile({ architecture: 'llama', layers: 2 }), { threads: 1 });
  const { logits } = await own.arena.createSequence().append(own.tokens(TOKENS), { logits: 'all' });
  expected = logits?.values as Float32Array;
});
afterAll(() => own.dispose());

async function beside(other: string, directory: string): Promise<Outcome> {
  const job = {
    other,
    directory,
    model: own.path,
    hashCache: join(scratch, 'hashes.json'),
    tokens: [...own.tokens(TOKENS)],
  };
  const { stdout } = await promisify(execFile)(process.execPath, [worker, JSON.stringify(job)]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Outcome;
}

describe('in a process in which', () => {
  const { directory } = runtime().binaries;
  const copy = join(scratch, 'copied-libraries');

  test.each([
    ['node-llama-cpp has started', 'addon', directory],
    ['another program has loaded the same libraries', 'koffi', directory],
    ['another program has loaded a copy of the libraries', 'koffi', copy],
    ['node-llama-cpp has started from a copy', 'addon', copy],
  ])(
    '%s, the engine computes what it does alone, and the other one goes on',
    async (_name, other, from) => {
      mkdirSync(copy, { recursive: true });
      if (from === copy) cpSync(directory, copy, { recursive: true });
      const { logits, during, ended } = await beside(other, from);
      expect(Float32Array.from(logits)).toEqual(expected);
      expect(during).toBeGreaterThan(0);
      expect(ended).toBe(during);
    },
  );

  test('another program has loaded a part of a ggml, the engine says so, and the other one goes on', async () => {
    const part = join(scratch, 'part-of-a-ggml');
    mkdirSync(part, { recursive: true });
    const file = runtime().binaries.ggmlBase;
    cpSync(file, join(part, basename(file)));
    const { code, message, ended } = await beside('part', part);
    expect(code).toBe('NATIVE_LIBRARY');
    expect(message).toContain(part);
    expect(message).toMatch(/process of its own/);
    expect(ended).toBeGreaterThan(0);
  });
});
