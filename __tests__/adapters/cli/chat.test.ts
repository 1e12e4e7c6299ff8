import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Io } from '../../../adapters/cli/command.js';
import { runProgram } from '../../../adapters/cli/program.js';
import { standardInput } from '../../../adapters/cli/standard-input.js';
import { tinyFile } from '../../support/native.js';

jest.setTimeout(60_000);

let root: string;
let model: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'chunkweave-cli-chat-'));
  mkdirSync(join(root, 'docs'));
  for (const animal of ['otter', 'panda', 'koala']) {
    writeFileSync(join(root, 'docs', `${animal}.md`), `# The ${animal}\n\nThe ${animal} eats.\n`);
  }
  model = await tinyFile({ architecture: 'llama', contextLength: 2048 });
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

async function run(
  lines: readonly string[] | undefined,
  args: readonly string[] = [],
  { isTTY = false, onPrompt }: { isTTY?: boolean; onPrompt?: (stop: AbortController) => void } = {},
) {
  const written = { out: '', err: '' };
  const stop = new AbortController();
  const output = (name: 'out' | 'err'): Io['stdout'] => ({
    write: (text) => {
      written[name] += text;
      if (text === '> ') onPrompt?.(stop);
    },
    isTTY: false,
    columns: 80,
  });
  const stream = new PassThrough();
  for (const line of lines ?? []) stream.write(`${line}\n`);
  // A terminal stays open.
  if (!onPrompt) stream.end();
  const stdin = standardInput(Object.assign(stream, { isTTY }) as never);
  const code = await runProgram(['chat', 'docs', '--max-tokens', '4', ...args], {
    stdout: output('out'),
    stderr: output('err'),
    ...(lines && { stdin }),
    env: {
      CHUNKWEAVE_CACHE: join(root, 'cache'),
      CHUNKWEAVE_MODEL: model,
      CHUNKWEAVE_EMBEDDER: 'none',
    },
    cwd: root,
    signal: stop.signal,
  });
  return { code, ...written };
}

test('questions that are piped in are turns of one conversation', async () => {
  const questions = ['What does the otter eat?', '', 'And the panda?', '/new', 'And the koala?'];
  const { code, out } = await run(questions, ['--json']);
  expect(code).toBe(0);
  const said = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { question: string; answer: Record<string, never> });
  expect(said.map(({ question }) => question)).toEqual(questions.filter((line) => /\?/.test(line)));
  expect(said.map(({ answer }) => answer['turn'])).toEqual([1, 2, 1]);
  expect(said[1]!.answer['query']).toBe('What does the otter eat?\nAnd the panda?');
  expect(said[2]!.answer['query']).toBe('And the koala?');
});

test('as text: answers on stdout, the rest on stderr; prompts for those who type', async () => {
  const piped = await run(['What does the otter eat?', 'And the panda?']);
  expect(piped.code).toBe(0);
  expect(piped.out.split('\n').length).toBeGreaterThanOrEqual(3);
  expect(piped.err.match(/^First token after/gm)).toHaveLength(2);
  expect(piped.err).not.toContain('> ');
  const typed = await run(['What does the otter eat?', '/quit', 'never asked'], [], {
    isTTY: true,
  });
  expect(typed.err.match(/^First token after/gm)).toHaveLength(1);
  expect(typed.err).toContain('> ');
});

test('a question that cannot be answered is told, and the next ones are answered', async () => {
  const lines = ['x'.repeat(50_000), 'What does the otter eat?'];
  const { code, out, err } = await run(lines, ['--json']);
  expect(code).toBe(1);
  expect(err).toMatch(/tokens are needed but only/);
  expect(JSON.parse(out)).toMatchObject({ question: lines[1], answer: { turn: 1 } });
});

test('without any input it ends, and Ctrl-C ends it while it waits for some', async () => {
  expect(await run(undefined)).toMatchObject({ code: 0, out: '' });
  const stopped = await run([], [], {
    isTTY: true,
    onPrompt: (stop) => void setTimeout(() => stop.abort(new Error('stopped')), 20),
  });
  expect(stopped).toMatchObject({ code: 130, out: '' });
});

test('more than a folder is not understood', async () => {
  const { code, err } = await run([], ['a question']);
  expect(code).toBe(2);
  expect(err).toContain('piped in');
});
