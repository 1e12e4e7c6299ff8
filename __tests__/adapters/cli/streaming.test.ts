import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Io } from '../../../adapters/cli/command.js';
import { runProgram } from '../../../adapters/cli/program.js';
import { tinyFile } from '../../support/native.js';

jest.setTimeout(60_000);

let root: string;
let model: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'chunkweave-cli-'));
  mkdirSync(join(root, 'docs'));
  for (const animal of ['otter', 'panda', 'koala', 'lemur', 'tapir', 'civet', 'hyrax', 'stoat']) {
    const facts = Array.from({ length: 12 }, (_, i) => `Fact ${i} on food: the ${animal} eats.`);
    writeFileSync(join(root, 'docs', `${animal}.md`), `# The ${animal}\n\n${facts.join('\n\n')}\n`);
  }
  // Wide enough that computing a prompt takes longer than putting it together.
  model = await tinyFile({ architecture: 'llama', layers: 6, width: 256, contextLength: 8192 });
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

type Written = readonly ['out' | 'err', string];

/** Runs the program in this process, so that what it writes where keeps its order. */
async function run(cache: string, ...args: string[]): Promise<Written[]> {
  const log: Written[] = [];
  const output = (name: 'out' | 'err'): Io['stdout'] => ({
    write: (text) => void log.push([name, text]),
    isTTY: false,
    columns: 80,
  });
  const code = await runProgram(args, {
    stdout: output('out'),
    stderr: output('err'),
    env: {
      CHUNKWEAVE_CACHE: join(root, cache),
      CHUNKWEAVE_MODEL: model,
      CHUNKWEAVE_EMBEDDER: 'none',
    },
    cwd: root,
    signal: new AbortController().signal,
  });
  expect({ code, log }).toMatchObject({ code: 0 });
  return log;
}

const indexOf = (log: readonly Written[], pattern: RegExp): number =>
  log.findIndex(([name, text]) => name === 'err' && pattern.test(text));
const said = (log: readonly Written[]): string =>
  log.map(([name, text]) => (name === 'err' ? text : '')).join('');

const announcement =
  /^Making keys and values of new passages: [\d,]+ tokens \([\d.]+ [KM]B, about [\d.]+ m?s\)\.$/m;
const ask = ['ask', 'docs', 'What food does the otter eat?', '--max-tokens', '8'];

test('a folder never ingested: what it will take is said before, where no terminal is too', async () => {
  const log = await run('cold', ...ask);
  const announced = indexOf(log, announcement);
  expect(announced).toBeGreaterThanOrEqual(0);
  expect(announced).toBeLessThan(log.findIndex(([name]) => name === 'out'));
  // The bar is for terminals.
  expect(said(log)).not.toMatch(/[░█]/);
  const json = await run('cold json', ...ask, '--json');
  expect(indexOf(json, announcement)).toBeGreaterThanOrEqual(0);
  expect(() =>
    JSON.parse(
      json
        .filter(([name]) => name === 'out')
        .map(([, text]) => text)
        .join(''),
    ),
  ).not.toThrow();
});

// Whether it came sooner with a model this small is up to the machine: report/answer.test.ts has the sentence.
test('a second ask says in one line what was reused, and how much is kept of how much', async () => {
  // What is cached may change which passages are picked otherwise.
  await run('warm', ...ask, '--select', 'top-k');
  const log = await run('warm', ...ask, '--select', 'top-k', '--recompute', '0');
  expect(indexOf(log, announcement)).toBe(-1);
  const lines = said(log).split('\n');
  const reuse = lines.filter((line) => line.startsWith('First token after'));
  expect(reuse).toHaveLength(1);
  expect(reuse[0]).toMatch(
    /^First token after .*: [\d,]+ cached, 0 recomputed, \d+ new\.( About [\d.]+ times sooner than .*\.)?$/,
  );
  expect(lines).toContainEqual(
    expect.stringMatching(/^Chunk KV on disk: .* of at most 4\.29 GB\.$/),
  );
});

test('--compare streams both answers, each under its label', async () => {
  const log = await run('compare', ...ask, '--compare');
  const woven = indexOf(log, /^Woven from cached passages:/);
  const full = indexOf(log, /^By full prefill:/);
  const summary = indexOf(log, /times sooner\. Of/);
  const texts = (from: number, to: number): string[] =>
    log.slice(from, to).flatMap(([name, text]) => (name === 'out' ? [text] : []));
  expect(texts(0, woven)).toEqual([]);
  for (const answer of [texts(woven, full), texts(full, summary)]) {
    // In pieces, and each answer ends its line.
    expect(answer.length).toBeGreaterThan(2);
    expect(answer.at(-1)).toBe('\n');
  }
  expect(indexOf(log, /^\[1\] /)).toBeGreaterThan(full);
  expect(texts(summary, log.length)).toEqual([]);
});
