import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runProgram } from '../../../adapters/cli/program.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'chunkweave-chunk-'));
  const paragraphs = Array.from(
    { length: 12 },
    (_, i) => `Paragraph ${i} has <some> words & signs. It ends here.`,
  );
  writeFileSync(join(folder, 'text.md'), `# Title\n\n${paragraphs.join('\n\n')}\n`);
  writeFileSync(
    join(folder, 'page.html'),
    '<h1>Top</h1><p>First words.</p><h2>Part</h2><p>More.</p>',
  );
  writeFileSync(join(folder, 'blank.txt'), ' \n');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const output = (write: (text: string) => void) => ({ write, isTTY: false, columns: 80 });

async function run(...args: string[]) {
  let stdout = '';
  let stderr = '';
  const code = await runProgram(['chunk', ...args], {
    stdout: output((text) => (stdout += text)),
    stderr: output((text) => (stderr += text)),
    env: {},
    cwd: folder,
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}

test('prints the passages, and as JSON with their places', async () => {
  const plain = await run('text.md', '--size', '40');
  expect(plain.stdout).toMatch(/^recursive\(40\): \d+ chunks of \d+ to \d+ tokens/);
  expect(plain.stdout).toContain('line 1,');
  const { code, stdout } = await run(
    'text.md',
    '--size',
    '40',
    '--chunker',
    'content-defined',
    '--json',
  );
  expect(code).toBe(0);
  const text = readFileSync(join(folder, 'text.md'), 'utf8');
  const chunks = JSON.parse(stdout) as {
    start: number;
    end: number;
    text: string;
    tokens: number;
  }[];
  expect(chunks.length).toBeGreaterThan(3);
  for (const chunk of chunks) {
    expect(chunk.text).toBe(text.slice(chunk.start, chunk.end));
    expect(chunk.tokens).toBeLessThanOrEqual(40);
  }
});

test('writes a page that needs nothing else, with the text as it is', async () => {
  const { code, stdout } = await run(
    'text.md',
    '--size',
    '40',
    '--overlap',
    '8',
    '--html',
    'out.html',
  );
  expect(code).toBe(0);
  expect(stdout).toContain('out.html');
  const page = readFileSync(join(folder, 'out.html'), 'utf8');
  expect(page).toContain('&lt;some&gt; words &amp; signs');
  expect(page).toContain('<mark class="c0"');
  expect(page).toContain('class="shared"');
  expect(page).not.toMatch(/<script|https?:/);
  const pre = /<pre>([^]*)<\/pre>/.exec(page)?.[1] ?? '';
  const shown = pre
    .replace(/<\/?mark[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  expect(shown).toBe(readFileSync(join(folder, 'text.md'), 'utf8'));
});

test('the HTML chunker cuts the source of a page', async () => {
  const { stdout } = await run('page.html', '--chunker', 'html', '--size', '20', '--json');
  const chunks = JSON.parse(stdout) as { text: string; metadata: { headings: string[] } }[];
  expect(chunks.map(({ text }) => text).join('')).toContain('<h2>Part</h2>');
  expect(chunks.at(-1)?.metadata.headings).toEqual(['Top', 'Part']);
});

test('what cannot be is said, with exit code 2', async () => {
  for (const [args, message] of [
    [[], /Give one FILE/],
    [['none.md'], /is no file/],
    [['blank.txt'], /no text in it/],
    [
      ['text.md', '--chunker', 'magic'],
      /--chunker is "magic"; give one of recursive.*lumber, question-aware/,
    ],
    [['text.md', '--chunker', 'markdown', '--overlap', '5'], /does not go with/],
    [['text.md', '--chunker', 'lumber', '--overlap', '5'], /does not go with --chunker lumber/],
    [['text.md', '--size', '2'], /at least 4/],
  ] as const) {
    const { code, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  }
});
