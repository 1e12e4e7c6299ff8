import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { distance } from '../../support/logits.js';
import { compute, scratch, tinyFile } from '../../support/native.js';
import { floatModels, quantisedModels } from '../../support/tiny-models.js';

interface Message {
  readonly model?: string;
  readonly logits?: number[];
  readonly test?: string;
  readonly error?: string;
  readonly done?: boolean;
}

const root = join(import.meta.dirname, '..', '..', '..');
// A software driver counts as a device only when it is chosen by its number.
const env = { ...process.env, GGML_VK_VISIBLE_DEVICES: '0' };
const probe = join(root, 'dist', 'adapters', 'ggml', 'native', 'probe.js');
const found = spawnSync(process.execPath, [probe, 'vulkan'], { env, encoding: 'utf8' });
const usable = found.stdout.includes('"kind":"vulkan"');
const required = process.env['CI_VULKAN_REQUIRED'] === '1';

const pieces = [100, 1, 70, 5, 1, 1];
const exact = {
  llama: floatModels['llama'],
  gemma3: floatModels['gemma3'],
  'llama, YaRN': floatModels['llama, YaRN'],
  'qwen3 q4_K': quantisedModels['qwen3 q4_K'],
  // More layers than one compute takes.
  'llama, 10 layers': { architecture: 'llama', layers: 10 } as const,
};

/** Runs everything in one process, since shaders compile once a process where the driver keeps none. */
function work(jobs: readonly object[]): Promise<Message[]> {
  const worker = join(root, '__tests__', 'support', 'vulkan', 'worker.mjs');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [worker, JSON.stringify({ device: 'vulkan', jobs })], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
      const messages = lines.map((line) => JSON.parse(line) as Message);
      if (code === 0 && messages.at(-1)?.done) resolve(messages);
      else reject(new Error(`the worker ended with ${signal ?? code}: ${stderr.slice(-2000)}`));
    });
  });
}

if (!usable && !required) {
  test.skip(`Vulkan: no device (a driver is missing, or dist is not built)`, () => {});
} else {
  describe('Vulkan', () => {
    const jobs = Promise.all(
      Object.entries(exact).map(async ([name, options]) => {
        if (!options) throw new Error(`no model called ${name}`);
        const own = await compute(await tinyFile(options));
        const tokens = own.tokens(
          pieces.reduce((sum, size) => sum + size, 0),
          11,
        );
        const logits: Float32Array[] = [];
        using sequence = own.arena.createSequence();
        let at = 0;
        for (const size of pieces) {
          const result = await sequence.append(tokens.slice(at, (at += size)), { logits: 'all' });
          logits.push(result.logits?.values as Float32Array);
        }
        const job = { name, model: own.path, tokens: [...tokens], pieces };
        const expected = Float32Array.from(logits.flatMap((part) => [...part]));
        return { job, expected, vocabSize: own.vocabSize, own };
      }),
    );
    afterAll(async () => {
      for (const { own } of await jobs) await own.dispose();
    });
    let messages: Message[] = [];

    test('a worker computes on it and ends as it should', async () => {
      const hashCache = join(scratch, 'vulkan-hashes.json');
      messages = await work(
        (await jobs).map(({ job }) => ({ ...job, hashCache, conformance: job.name === 'llama' })),
      );
    }, 600_000);

    test.each(Object.keys(exact))(
      '%s: prefill and decode give the logits of the CPU',
      async (name) => {
        const { expected, vocabSize } = (await jobs).find(({ job }) => job.name === name) ?? {};
        const { logits } =
          messages.find((message) => message.model === name && message.logits) ?? {};
        const apart = distance(
          expected as Float32Array,
          Float32Array.from(logits as number[]),
          vocabSize as number,
        );
        console.log(`${name}: KL ${apart.kl.toExponential(2)}, ${apart.deviations.toFixed(4)} sd`);
        // With quantised weights the CPU rounds activations to 8 bits and a GPU does not; a wrong layout gives 1 or more.
        expect(apart.kl).toBeLessThan(name in quantisedModels ? 0.02 : 1e-4);
      },
    );

    test('the engine keeps every promise of the contract', () => {
      const tried = messages.filter((message) => message.test !== undefined);
      expect(tried.length).toBeGreaterThan(75);
      expect(tried.filter(({ error }) => error !== undefined)).toEqual([]);
    });
  });
}
