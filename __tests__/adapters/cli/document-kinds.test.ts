import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { chunkweave } from '../../support/cli.js';
import { tinyFile } from '../../support/native.js';
import { encrypted, pdfOf } from '../../support/pdf.js';

jest.setTimeout(60_000);

let root: string;
let model: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'chunkweave-kinds-'));
  const docs = join(root, 'docs');
  mkdirSync(join(docs, 'drafts'), { recursive: true });
  const files: Record<string, string | Uint8Array> = {
    'otter.pdf': pdfOf([['A first page.'], ['The otter eats fish.']]),
    'locked.pdf': pdfOf([['Secret.']], { trailer: encrypted }),
    'animals.csv': 'name,food\nThe panda,bamboo\nThe koala,eucalyptus\nbroken\n',
    'notes.jsonl': '{"text":"The emu eats seeds."}\n{"text":\n',
    'code.py': '# The wombat eats grass.\n',
    'drafts/lemur.md': 'The lemur eats fruit.\n',
    'ignored.md': 'The tapir eats leaves.\n',
    '.gitignore': 'ignored.md\n',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(docs, name), content);
  model = await tinyFile({ architecture: 'llama', contextLength: 4096 });
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = (...args: string[]) =>
  chunkweave(args, {
    cache: join(root, 'cache'),
    cwd: root,
    env: { CHUNKWEAVE_MODEL: model },
  });

/** Sources of a question, best first, as `ask` names them. */
async function sourcesOf(...args: string[]): Promise<string[]> {
  const { stdout, stderr } = await run(
    'ask',
    'docs',
    ...args,
    '--max-tokens',
    '1',
    '--top-k',
    '20',
  );
  expect(stdout).not.toBe('');
  return Array.from(stderr.matchAll(/^\[\d+\] (.*?)(?: {2}.*)?$/gm), ([, place]) => String(place));
}

test('ingest reads every kind, names each bad file in a line, and ask cites pages, rows and lines', async () => {
  const { code, stdout, stderr } = await run('ingest', 'docs', '--budget', '0');
  expect(code).toBe(0);
  // A PDF, two rows, a line of JSON, a program and a Markdown file.
  expect(stdout).toMatch(/Indexed 6 documents/);
  expect(stderr).toMatch(/Skipped .*locked\.pdf: it is encrypted/);
  expect(stderr).toMatch(/animals\.csv: line 4: it has 1 field, the header 2/);
  expect(stderr).toMatch(/notes\.jsonl: line 2: it is no JSON/);
  expect(stderr).not.toMatch(/ignored\.md/);
  const sources = await sourcesOf('What do the otter, panda, emu and wombat eat?');
  expect(sources).toContain('animals.csv#1, line 2');
  expect(sources).toContain('notes.jsonl#1, line 1');
  expect(sources).toContain('code.py:1');
  expect(sources.find((place) => place.startsWith('otter.pdf'))).toMatch(/^otter\.pdf, page [12]$/);
});

test('patterns hold for later questions too', async () => {
  const question = 'What does the lemur, the tapir, the panda eat?';
  const flags = ['--include', '*.md', '--include', '*.csv', '--exclude', 'drafts/', '--no-ignore'];
  await run('ingest', 'docs', '--budget', '0', ...flags, '--record-text', '{name} likes {food}.');
  const { stdout } = await run('ask', 'docs', question, '--json', '--max-tokens', '1');
  const { sources } = (
    JSON.parse(stdout) as { answer: { sources: { documentId: string; text: string }[] } }
  ).answer;
  expect(sources.map(({ documentId, text }) => [documentId, text.trim()]).toSorted()).toEqual([
    ['animals.csv#1', 'The panda likes bamboo.'],
    ['ignored.md', 'The tapir eats leaves.'],
  ]);
  expect(await sourcesOf(question, '--include', '*.md')).toEqual(['drafts/lemur.md:1']);
  const empty = await run('ingest', 'docs', '--include', '');
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringMatching(/--include is empty/) });
});
