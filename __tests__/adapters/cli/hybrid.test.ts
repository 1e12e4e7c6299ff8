import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { Output } from '../../../adapters/cli/command.js';
import { runProgram } from '../../../adapters/cli/program.js';
import { convertSentenceTransformers } from '../../../adapters/models/index.js';
import { scratch, tinyFile } from '../../support/native.js';
import { writeTinyBert } from '../../support/tiny-bert.js';

jest.setTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), 'chunkweave-hybrid-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let cache: string;
let model: string;
let bert: string;
let otherBert: string;

beforeAll(async () => {
  mkdirSync(join(root, 'docs'));
  for (const animal of ['otter', 'panda', 'koala']) {
    const facts = Array.from({ length: 12 }, (_, i) => `Fact ${i}: the ${animal} eats.`);
    writeFileSync(join(root, 'docs', `${animal}.md`), `# The ${animal}\n\n${facts.join('\n\n')}\n`);
  }
  model = await tinyFile({ architecture: 'llama', contextLength: 4096 });
  [bert, otherBert] = (await Promise.all([1, 2].map(bertOf))) as [string, string];
});
beforeEach(() => {
  cache = mkdtempSync(join(root, 'cache-'));
});

async function bertOf(seed: number): Promise<string> {
  const folder = mkdtempSync(join(scratch, 'bert-'));
  await writeTinyBert(folder, { seed });
  const target = join(folder, 'tiny.gguf');
  await convertSentenceTransformers({ folder, target });
  return target;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program in this process, which spares a start each time. */
async function run(args: readonly string[], embedder?: string): Promise<Ran> {
  const texts = { stdout: '', stderr: '' };
  const output = (name: keyof typeof texts): Output => ({
    write: (text) => void (texts[name] += text),
    isTTY: false,
    columns: 80,
  });
  const code = await runProgram(args, {
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: {
      CHUNKWEAVE_CACHE: cache,
      CHUNKWEAVE_MODEL: model,
      ...(embedder !== undefined && { CHUNKWEAVE_EMBEDDER: embedder }),
    },
    cwd: root,
    signal: new AbortController().signal,
  });
  return { code, ...texts };
}

const ask = ['ask', 'docs', 'What does the otter eat?', '--json', '--max-tokens', '2'];
const retrievalOf = ({ code, stdout, stderr }: Ran): string => {
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return (JSON.parse(stdout) as { retrieval: string }).retrieval;
};
const indexes = (): string[] => readdirSync(join(cache, 'indexes')).toSorted();
/** Content and time of each file of the folder. */
const state = (): unknown =>
  indexes().map((name) => {
    const path = join(cache, 'indexes', name);
    return [name, statSync(path).mtimeMs, readFileSync(path, 'hex')];
  });

const lexical = ([file]: [string, number, string]): boolean => /^[0-9a-f]+\.msgpack$/.test(file);

test('ask embeds the passages once; explain, ingest and the next ask use their vectors', async () => {
  expect(retrievalOf(await run(ask, bert))).toBe('hybrid');
  expect(indexes()).toHaveLength(3);
  const before = state();
  expect(retrievalOf(await run(ask, bert))).toBe('hybrid');
  const explained = await run(['explain', 'docs', 'Which animal?', '--json'], bert);
  expect(retrievalOf(explained)).toBe('hybrid');
  expect(state()).toEqual(before);
  const vectors = indexes().filter((name) => !/^[0-9a-f]+\.msgpack$/.test(name));
  const kept = vectors.map((name) => statSync(join(cache, 'indexes', name)).mtimeMs);
  expect((await run(['ingest', 'docs', '--budget', '0'], bert)).code).toBe(0);
  expect(vectors.map((name) => statSync(join(cache, 'indexes', name)).mtimeMs)).toEqual(kept);
});

test('--embedder wins over the environment, none switches off and on again, another takes its place', async () => {
  expect(retrievalOf(await run([...ask, '--embedder', 'none'], bert))).toBe('bm25');
  expect(indexes()).toHaveLength(1);
  const [lexical] = state() as unknown[];
  expect(retrievalOf(await run([...ask, '--embedder', bert], 'none'))).toBe('hybrid');
  const embedded = state();
  expect(retrievalOf(await run(ask, 'none'))).toBe('bm25');
  expect(retrievalOf(await run(ask, bert))).toBe('hybrid');
  expect(state()).toEqual(embedded);
  expect(retrievalOf(await run(ask, otherBert))).toBe('hybrid');
  expect(indexes()).toHaveLength(3);
  expect(state()).not.toEqual(embedded);
  expect(state()).toContainEqual(lexical);
});

test('damaged vectors are made anew, and the lexical index is left alone', async () => {
  await run(ask, bert);
  const before = state() as [string, number, string][];
  const name = indexes().find((file) => file.endsWith('.vectors')) as string;
  writeFileSync(join(cache, 'indexes', name), 'garbage');
  expect(retrievalOf(await run(ask, bert))).toBe('hybrid');
  const after = state() as [string, number, string][];
  expect(after.map(([, , content]) => content)).toEqual(before.map(([, , content]) => content));
  expect(after.filter(lexical)).toEqual(before.filter(lexical));
});

test.each([
  ['that is not there', () => 'no/such.gguf', /There is no model file/],
  ['that is a language model', () => model, /llama/],
])('an embedder %s: one line says so, and BM25 alone answers', async (_, embedder, why) => {
  const ran = await run(ask, embedder());
  expect(retrievalOf(ran)).toBe('bm25');
  const lines = ran.stderr.split('\n').filter((line) => line.includes('BM25'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(why);
});

test('an embedder without a name is refused', async () => {
  const { code, stderr } = await run([...ask, '--embedder', '']);
  expect(code).toBe(2);
  expect(stderr).toContain('--embedder is empty');
});
