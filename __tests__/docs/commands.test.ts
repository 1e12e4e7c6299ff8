import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { commands } from '../../adapters/cli/program.js';
import { benches } from '../../bench/benches.js';
import { blocksOf, type Page, pages, root } from '../support/docs/pages.js';

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const commonBenchFlags = ['json', 'model', 'device', 'repeat', 'threads', 'only', 'help'];

interface CommandLine {
  readonly at: string;
  readonly words: readonly string[];
}

/** Lines of shell blocks, joined where they go on, and code spans that read like one. */
function commandLines(page: Page): CommandLine[] {
  const shell = blocksOf(page).filter(({ language }) => language === 'sh');
  const lines = shell.flatMap(({ line, code }) =>
    code
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((text) => ({ at: `${page.path}:${line}`, text })),
  );
  const spans = Array.from(page.text.matchAll(/`((?:npx )?chunkweave |npm run |node )([^`\n]+)`/g));
  const all = [
    ...lines,
    ...spans.map(({ 0: text, index }) => ({
      at: `${page.path}:${page.text.slice(0, index).split('\n').length}`,
      text: text.slice(1, -1),
    })),
  ];
  return all.flatMap(({ at, text }) =>
    text.split(/&&|\||;/).map((part) => ({
      at,
      words: part
        .replace(/#.*$/, '')
        .replaceAll(/"[^"]*"|'[^']*'/g, 'TEXT')
        .replace(/^\s*(?:[A-Z_]+=\S+\s+)*(?:npx\s+)?/, '')
        .trim()
        .split(/\s+/),
    })),
  );
}

/** What is wrong with a command line, or undefined. */
async function problemOf([program, ...args]: readonly string[]): Promise<string | undefined> {
  const flags = args.flatMap((word) => /^\[?--([a-z][\w-]*)/.exec(word)?.[1] ?? []);
  const unknown = (known: readonly string[]): string | undefined => {
    const bad = flags.filter((flag) => !known.includes(flag) && flag !== 'help');
    return bad.length > 0 ? `has no flag --${bad.join(', --')}` : undefined;
  };
  if (program === 'chunkweave') {
    const [name = ''] = args;
    if (name.startsWith('-') || /^[A-Z]+$/.test(name)) return undefined;
    const command = commands.find((candidate) => candidate.name === name);
    return command ? unknown(Object.keys(command.flags)) : 'is no command';
  }
  if (program === 'node' && args[0]?.startsWith('examples/')) {
    return existsSync(join(root, args[0])) ? undefined : 'is not there';
  }
  if (program !== 'npm' || args[0] !== 'run') return undefined;
  const [, script = '', ...rest] = args.filter((word) => word !== '--silent' && word !== '--');
  if (!(script in scripts)) return 'is no script of package.json';
  const [bench = ''] = rest;
  if (script !== 'bench' || rest.length === 0 || bench === 'NAME') return undefined;
  const load = Object.hasOwn(benches, bench) ? benches[bench] : undefined;
  if (!load) return 'is no bench';
  return unknown([...Object.keys((await load()).own ?? {}), ...commonBenchFlags]);
}

test('commands, flags, scripts and benches that the pages name are there', async () => {
  // What changed may name what is gone.
  const lines = pages()
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap(commandLines);
  expect(lines.filter(({ words }) => words[0] === 'chunkweave').length).toBeGreaterThan(10);
  const problems: string[] = [];
  for (const { at, words } of lines) {
    const problem = await problemOf(words);
    if (problem !== undefined) problems.push(`${at}: ${words.join(' ')} ${problem}`);
  }
  expect(problems).toEqual([]);
});

test.each([
  ['chunkweave aks docs', 'is no command'],
  ['chunkweave ask docs --sideways', 'has no flag --sideways'],
  ['npm run never', 'is no script of package.json'],
  ['npm run bench -- ttft --sideways', 'has no flag --sideways'],
  ['node examples/none.mjs', 'is not there'],
  ['chunkweave ask docs TEXT --compare', undefined],
])('%s %s', async (line, problem) => {
  expect(await problemOf(line.split(' '))).toBe(problem);
});
