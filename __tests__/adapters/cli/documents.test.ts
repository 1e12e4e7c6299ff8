import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { IngestReport, SelectionPlan } from '../../../lib/index.js';
import { chunkweave, type Outcome } from '../../support/cli.js';
import { tinyFile } from '../../support/native.js';

jest.setTimeout(60_000);

let root: string;
let cache: string;
let docs: string;
let model: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'chunkweave-cli-'));
  cache = join(root, 'cache');
  docs = join(root, 'docs');
  mkdirSync(docs);
  for (const [animal, food] of [
    ['otter', 'fish'],
    ['panda', 'bamboo'],
    ['koala', 'eucalyptus'],
  ]) {
    const text = Array.from({ length: 12 }, (_, i) => `Fact ${i}: the ${animal} eats ${food}.`);
    writeFileSync(join(docs, `${animal}.md`), `# The ${animal}\n\n${text.join('\n\n')}\n`);
  }
  model = await tinyFile({ architecture: 'llama', contextLength: 4096 });
});

// A model this small computes as fast as a busy disk reads: what loading costs here must not decide what is found.
beforeEach(() => rmSync(join(cache, 'costs'), { recursive: true, force: true }));

afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = (...args: string[]): Promise<Outcome> =>
  chunkweave(args, { cache, cwd: root, env: { CHUNKWEAVE_MODEL: model } });

interface Said {
  readonly question: string;
  readonly model: string;
  readonly answer: {
    readonly text: string;
    readonly sources: readonly {
      documentId: string;
      cached: boolean;
      encodedAfter?: string;
      start: number;
      end: number;
    }[];
    readonly usage: Record<'prompt' | 'cached' | 'recomputed' | 'fresh' | 'generated', number>;
    readonly timings: Record<'retrieve' | 'load' | 'refresh' | 'firstToken' | 'total', number>;
    readonly plan?: { readonly passages: readonly { tokens: readonly number[] }[] };
  };
  readonly full?: Said['answer'];
  readonly speedup?: number;
}

test('a document is cut by a model', async () => {
  const file = join('docs', 'otter.md');
  const { code, stdout, stderr } = await run(
    'chunk',
    file,
    '--chunker',
    'lumber',
    '--size',
    '60',
    '--json',
    '--threads',
    '1',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(/failed/) });
  const chunks = JSON.parse(stdout) as {
    start: number;
    end: number;
    text: string;
    tokens: number;
  }[];
  const text = readFileSync(join(root, file), 'utf8');
  expect(chunks.length).toBeGreaterThan(2);
  expect(chunks.every((chunk) => chunk.text === text.slice(chunk.start, chunk.end))).toBe(true);
  expect(chunks.every(({ tokens }) => tokens <= 60)).toBe(true);
  expect(
    chunks
      .map((chunk) => chunk.text)
      .join('')
      .replaceAll(/\s/g, ''),
  ).toBe(text.replaceAll(/\s/g, ''));
});

test('a second process finds the passages of the first in its cache', async () => {
  const args = ['ask', 'docs', 'What does the otter eat?', '--json', '--max-tokens', '4'];
  const first = await run(...args, '--recompute', '20%');
  expect(first).toMatchObject({ code: 0 });
  const cold = (JSON.parse(first.stdout) as Said).answer;
  const warm = (JSON.parse((await run(...args, '--recompute', '0.2')).stdout) as Said).answer;
  expect(cold.sources.map(({ documentId }) => documentId)).toContain('otter.md');
  expect(cold.sources.every(({ cached }) => !cached)).toBe(true);
  expect(warm.sources.every(({ cached }) => cached)).toBe(true);
  const { prompt, cached, recomputed, fresh } = warm.usage;
  expect(cached + recomputed + fresh).toBe(prompt);
  expect(cached).toBeGreaterThan(prompt / 2);
  // What is computed again is a list of numbers, not of keys.
  expect(warm.plan?.passages.every(({ tokens }) => Array.isArray(tokens))).toBe(true);
  expect(warm.timings.firstToken).toBeGreaterThan(0);
});

test('--compare answers the same prompt both ways', async () => {
  const { code, stdout } = await run(
    'ask',
    'docs',
    'What does the panda eat?',
    '--compare',
    '--json',
    '--max-tokens',
    '4',
    '--top-k',
    '2',
  );
  expect(code).toBe(0);
  const { answer, full, speedup } = JSON.parse(stdout) as Said;
  expect(full?.usage.prompt).toBe(answer.usage.prompt);
  expect(full?.usage.cached).toBe(0);
  expect(answer.sources.length).toBeLessThanOrEqual(2);
  expect(speedup).toBeGreaterThan(0);
});

test('the answer goes to stdout; sources, place and the count of tokens to stderr', async () => {
  const { code, stdout, stderr } = await run(
    'ask',
    'docs',
    'What does the koala eat?',
    '--max-tokens',
    '6',
  );
  expect(code).toBe(0);
  expect(stdout.trim().length).toBeGreaterThan(0);
  expect(stdout).not.toMatch(/\[1\]|First token/);
  expect(stderr).toMatch(/^\[1\] \w+\.md:\d+/m);
  expect(stderr).toMatch(/First token after .* prompt tokens: .* cached, .* recomputed, .* new/);
  const both = await run(
    'ask',
    'docs',
    'What does the koala eat?',
    '--compare',
    '--max-tokens',
    '6',
  );
  expect(both.stderr).toMatch(/woven after .*, by full prefill after .* times sooner/);
});

test('a question without a folder goes to the one used last, changed files included', async () => {
  await run('ingest', 'docs', '--budget', '0');
  writeFileSync(join(docs, 'wombat.txt'), 'The wombat eats grass and roots.\n');
  const { stdout } = await run('ask', 'What does the wombat eat?', '--json', '--max-tokens', '2');
  const { answer } = JSON.parse(stdout) as Said;
  expect(answer.sources[0]?.documentId).toBe('wombat.txt');
});

test('ingest says what it will take and what it did, and keeps to its budget', async () => {
  writeFileSync(join(docs, 'emu.txt'), 'The emu eats seeds and insects.\n\n'.repeat(20));
  const { code, stdout, stderr } = await run('ingest', 'docs');
  expect(code).toBe(0);
  expect(stderr).toMatch(/Making keys and values of \d+ passages? \(.* KB/);
  expect(stdout).toMatch(/Indexed 5 documents .*: \d+ passages?, [\d,]+ tokens\./);
  const again = JSON.parse((await run('ingest', 'docs', '--json')).stdout) as {
    readonly kv: { readonly encoded: number; readonly cached: number; readonly left: number };
  };
  expect(again.kv).toMatchObject({ encoded: 0, left: 0 });
  expect(again.kv.cached).toBeGreaterThan(0);
  const none = JSON.parse((await run('ingest', 'docs', '--json', '--max-mb', '0')).stdout) as {
    readonly kv: { readonly encoded: number };
  };
  expect(none.kv.encoded).toBe(0);
});

/** Twelve paragraphs that differ. */
const page = (name: string, from: number): string =>
  Array.from(
    { length: 12 },
    (_, i) => `Line ${from + i} of ${name}: the tide is ${(from + i) * 7} inches high there.`,
  ).join('\n\n');

test('ingest of a folder that changed says what stayed, came and went, and computes only what is new', async () => {
  const folder = join(root, 'changing');
  mkdirSync(folder);
  for (const name of ['a.md', 'b.md', 'x.md']) writeFileSync(join(folder, name), page(name, 0));
  const first = await run('ingest', 'changing', '--budget', '60');
  expect(first.stdout).not.toContain('kept');
  renameSync(join(folder, 'b.md'), join(folder, 'c.md'));
  rmSync(join(folder, 'x.md'));
  writeFileSync(join(folder, 'a.md'), `${page('a.md', 0)}\n\n${page('more', 12)}`);
  const { code, stdout } = await run('ingest', 'changing', '--budget', '60');
  expect(code).toBe(0);
  expect(stdout).toMatch(/\d+ passages? kept, \d+ added, \d+ removed\./);
  expect(stdout).toContain('b.md is c.md now.');
  expect(stdout).toContain('1 document went.');
  renameSync(join(folder, 'c.md'), join(folder, 'd.md'));
  const last = JSON.parse(
    (await run('ingest', 'changing', '--budget', '60', '--json')).stdout,
  ) as IngestReport;
  expect(last.changes.renamed).toEqual([{ from: 'c.md', to: 'd.md' }]);
  expect(last.kv).toMatchObject({ encoded: 0, left: 0, tokens: 0 });
});

test.each(['document', 'neighbours', 'mean'])(
  '--warmup %s: ask finds what ingest made',
  async (warmup) => {
    const name = `river-${warmup}`;
    const folder = join(root, name);
    mkdirSync(folder);
    const text = Array.from(
      { length: 40 },
      (_, i) => `Mark ${i} (${warmup}): the river is ${i * 3} feet deep here.`,
    );
    writeFileSync(join(folder, 'river.md'), text.join('\n\n'));
    const report = await run('ingest', name, '--warmup', warmup, '--budget', '60', '--json');
    expect(report.code).toBe(0);
    const { kv } = JSON.parse(report.stdout) as { kv: { encoded: number; left: number } };
    expect(kv.left).toBe(0);
    expect(kv.encoded).toBeGreaterThan(2);
    const ask = ['ask', name, 'Mark 33: how deep is the river?', '--json', '--max-tokens', '2'];
    const sourcesOf = async (...args: string[]) =>
      (JSON.parse((await run(...ask, ...args)).stdout) as Said).answer.sources;
    const kind = warmup === 'mean' ? 'neighbours' : warmup;
    const warmed = await sourcesOf('--warmup', warmup);
    expect(warmed.every(({ cached }) => cached)).toBe(true);
    expect(warmed.some(({ encodedAfter }) => encodedAfter === kind)).toBe(true);
    const plain = await sourcesOf();
    expect(plain.every(({ encodedAfter }) => encodedAfter === 'prefix')).toBe(true);
    expect(plain.some(({ cached }) => !cached)).toBe(true);
    const wrong = await run(...ask, '--warmup', 'neighbors');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(
      '--warmup is "neighbors"; give one of prefix, document, neighbours, mean.',
    );
  },
);

test('a damaged index is made anew', async () => {
  await run('ingest', 'docs', '--budget', '0');
  const { readdirSync } = await import('node:fs');
  for (const name of readdirSync(join(cache, 'indexes'))) {
    writeFileSync(join(cache, 'indexes', name), 'garbage');
  }
  const { code, stdout } = await run('ask', 'docs', 'panda', '--json', '--max-tokens', '2');
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as Said).answer.sources.length).toBeGreaterThan(0);
});

test('explain says why passages are in or out, and draws it', async () => {
  const asked = 'What do the otter, the panda and the koala eat?';
  const args = ['explain', 'docs', asked, '--top-k', '2', '--retrieve', '5'];
  const { code, stdout } = await run(...args, '--json', '--svg', 'why.svg');
  expect(code).toBe(0);
  const { question, selection } = JSON.parse(stdout) as {
    readonly question: string;
    readonly selection: SelectionPlan;
  };
  expect(question).toBe(asked);
  expect(selection.candidates.length).toBeGreaterThan(2);
  expect(selection.candidates.filter(({ chosen }) => chosen)).toHaveLength(2);
  const { readFileSync } = await import('node:fs');
  expect(readFileSync(join(root, 'why.svg'), 'utf8')).toMatch(/^<svg [^>]*>/);
  const text = await run(...args);
  expect(text.stdout).toMatch(/cache-aware chose 2 of \d+ candidates/);
  for (const { chunkId } of selection.candidates) expect(text.stdout).toContain(chunkId);
});

test.each([
  [['explain', 'docs', 'why', '--budget', '5', '--budget-ms', '5'], 2, /not both/],
  [['explain', 'docs', 'why', '--retrieve', '0'], 2, /--retrieve is "0"/],
  [['explain', 'docs', 'otter', '--svg', 'no/such/folder/a.svg'], 2, /could not be written/],
  [['ask', 'docs', ''], 2, /question is empty/],
  [['ask', 'docs'], 2, /is a path\. Add the question/],
  [['ask', 'docs', 'what', 'is', 'it'], 2, /in quotes/],
  [['ask', 'docs', 'why', '--recompute', '120%'], 2, /--recompute is "120%"/],
  [['ask', 'docs', 'why', '--top-k', '0'], 2, /--top-k is "0"/],
  [['ask', 'docs', 'why', '--device', 'tpu'], 2, /--device is "tpu"/],
  [['ask', 'docs', 'why', '--nonsense'], 2, /--nonsense/],
  [['ask', 'nowhere', 'why'], 1, /nowhere: there is no such file or folder/],
  [['ask', 'docs', 'why', '--model', 'no/such.gguf'], 1, /There is no model file/],
  [['ask', 'docs', 'why', '--model', 'docs/otter.md'], 1, /Cannot load the model file/],
  [['ask', 'docs', 'why', '--device', 'cuda'], 1, /npm install|There is no cuda device/],
  [['ingest'], 2, /Give one folder/],
])('%j fails with %i and says what to do', async (args, code, message) => {
  const outcome = await run(...args);
  expect(outcome.stderr).toMatch(message);
  expect(outcome.code).toBe(code);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).not.toMatch(/\n\s+at /);
});

test('without any folder yet it asks for one', async () => {
  const other = { cache: join(root, 'unused'), env: { CHUNKWEAVE_MODEL: model } };
  const { code, stderr } = await chunkweave(['ask', 'What is it?'], other);
  expect(code).toBe(2);
  expect(stderr).toMatch(/Which documents\?/);
});

test('Ctrl-C stops an ingest, and the next call works', async () => {
  const big = join(root, 'big');
  mkdirSync(big);
  const words = Array.from({ length: 60_000 }, (_, i) => `word${i % 977}`).join(' ');
  writeFileSync(join(big, 'big.txt'), words.replaceAll(/(?:\S+ ){40}/g, '$&\n\n'));
  let sent = false;
  const stopped = await chunkweave(['ingest', 'big', '--budget', '60'], {
    cache,
    cwd: root,
    env: { CHUNKWEAVE_MODEL: model },
    watch: (stderr, child) => {
      if (sent || !stderr.includes('Making keys')) return;
      sent = true;
      child.kill('SIGINT');
    },
  });
  expect(sent).toBe(true);
  expect(stopped).toMatchObject({ code: 130, signal: null });
  expect(stopped.stderr).toContain('Stopped.');
  expect((await run('ask', 'big', 'word5', '--max-tokens', '2')).code).toBe(0);
});

test('the demo answers from the documents that come along', async () => {
  const { code, stdout, stderr } = await run('demo', '--max-tokens', '4');
  expect(code).toBe(0);
  expect(stdout.trim().length).toBeGreaterThan(0);
  expect(stderr).toMatch(/3 documents, \d+ passages/);
  expect(stderr.match(/times sooner\. Of/g)).toHaveLength(2);
});
