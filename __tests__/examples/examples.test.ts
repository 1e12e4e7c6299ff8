import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { root } from '../support/docs/pages.js';

const folder = mkdtempSync(join(tmpdir(), 'chunkweave-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs an example to its end; `react` sees every new piece of output. */
function run(
  file: string,
  args: readonly string[] = [],
  react: (output: string, end: () => void) => void = () => {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'examples', file), ...args], {
      env: { ...process.env, CHUNKWEAVE_CACHE: join(folder, 'cache') },
    });
    let output = '';
    let problems = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      react(output, () => child.kill('SIGINT'));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0 && problems === '') resolve(output);
      else reject(new Error(`${file} ended with ${code}: ${output}${problems}`));
    });
  });
}

test('quick start: the second question finds its passages cached', async () => {
  const output = await run('quick-start.mjs', ['--fake']);
  const computed = Array.from(output.matchAll(/(\d+) computed/g), ([, tokens]) => Number(tokens));
  expect(computed.length).toBe(2);
  expect(computed[1]).toBeLessThan((computed[0] ?? 0) / 2);
});

test('folder watch: what is added, changed and deleted is followed', async () => {
  const docs = mkdtempSync(join(folder, 'docs-'));
  writeFileSync(join(docs, 'otters.md'), 'Otters eat fish.');
  const steps = [
    ['watching', () => writeFileSync(join(docs, 'pandas.md'), 'Pandas eat bamboo.')],
    [
      'pandas.md: 1 passages',
      () => writeFileSync(join(docs, 'otters.md'), 'Otters eat crabs too.'),
    ],
    ['otters.md: 1 passages, 1 computed, 0 as before\n', () => rmSync(join(docs, 'pandas.md'))],
    ['pandas.md: forgotten', undefined],
  ] as const;
  let step = 0;
  let seen = 0;
  const output = await run('folder-watch.mjs', [docs, '--fake'], (text, end) => {
    const [wanted, act] = steps[step] ?? ['', undefined];
    const at = text.indexOf(wanted, seen);
    if (step === steps.length || at < 0) return;
    seen = at + wanted.length;
    step++;
    if (act) act();
    else end();
  });
  expect(step).toBe(steps.length);
  expect(output).toMatch(/^otters\.md: 1 passages/);
});

test('own chunker: the passages are the paragraphs', async () => {
  const passages = (await run('own-chunker.mjs')).trim().split('\n');
  expect(passages.map((line) => /".*/.exec(line)?.[0])).toEqual([
    '"Otters eat fish.\\n\\n"',
    '"Pandas eat bamboo, and little else.\\n\\n"',
    '"Both sleep."',
  ]);
});

test('own policy: names, numbers and beginnings are computed again, and counted', async () => {
  const output = await run('own-policy.mjs');
  const planned = Array.from(output.matchAll(/: (\d+) tokens again/g), ([, tokens]) =>
    Number(tokens),
  );
  const recomputed = Number(/recomputed: (\d+)/.exec(output)?.[1]);
  expect(planned.length).toBeGreaterThan(0);
  expect(recomputed).toBe(planned.reduce((sum, tokens) => sum + tokens, 0));
});

test('own store tier: a new memory is filled from it', async () => {
  const hits = Array.from((await run('own-store-tier.mjs')).matchAll(/(\d+) hits/g), ([, n]) => n);
  expect(hits[0]).toBe('0');
  expect(Number(hits[1])).toBeGreaterThan(0);
});

test('own embedder: a word in another form is found', async () => {
  expect(await run('own-embedder.mjs')).toMatch(/^otters /);
});

test('tenants: equal texts share nothing, and a stranger gets nothing', async () => {
  const output = await run('tenants.mjs', ['--fake']);
  const cached = Array.from(output.matchAll(/^(\w+): .*"cached":(\d+)/gm), ([, tenant, tokens]) => [
    tenant,
    Number(tokens) > 0,
  ]);
  expect(cached).toEqual([
    ['acme', false],
    ['acme', true],
    ['globex', false],
  ]);
  expect(output).toContain('mallory: There is no tenant');
});

test('LangGraph agent: the second question finds its passage cached', async () => {
  const output = await run('langchain-agent.mjs', ['--fake']);
  const cached = Array.from(output.matchAll(/; (\d+) of \d+ prompt tokens/g), ([, n]) => Number(n));
  expect(cached[0]).toBe(0);
  expect(cached[1]).toBeGreaterThan(0);
});

test('AI SDK route: answers, then answers from the cache', async () => {
  const output = await run('ai-sdk-route.mjs');
  const cached = Array.from(output.matchAll(/, (\d+) of them cached/g), ([, n]) => Number(n));
  expect(cached.length).toBe(2);
  expect(cached[1]).toBeGreaterThan(cached[0] ?? Infinity);
});

test('remote layout: the server hits its cache', async () => {
  expect(Number(/hitRate: ([\d.]+)/.exec(await run('remote-layout.mjs'))?.[1])).toBeGreaterThan(
    0.2,
  );
});
