import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type FindOptions,
  type SkippedFile,
  statDocuments,
} from '../../../../adapters/fs/documents/index.js';
import { documentFolder, type DocumentFolder } from '../../../support/document-folder.js';

let folder: DocumentFolder;

beforeEach(async () => {
  folder = await documentFolder();
});

afterEach(() => folder.remove());

async function ids(options?: FindOptions): Promise<string[]> {
  return (await statDocuments(folder.path, options)).map(({ id }) => id);
}

describe('include and exclude', () => {
  beforeEach(() =>
    folder.write({
      'a.md': 'x',
      'a.log': 'x',
      'docs/b.md': 'x',
      'docs/b.ts': 'x',
      'docs/drafts/c.md': 'x',
      'src/docs/d.md': 'x',
    }),
  );

  test.each([
    [{}, ['a.md', 'docs/b.md', 'docs/b.ts', 'docs/drafts/c.md', 'src/docs/d.md']],
    [{ include: ['*.ts'] }, ['docs/b.ts']],
    [{ include: ['*.log', '*.ts'] }, ['a.log', 'docs/b.ts']],
    [{ include: ['docs/'] }, ['docs/b.md', 'docs/b.ts', 'docs/drafts/c.md', 'src/docs/d.md']],
    [{ include: ['/docs/**'], exclude: ['drafts'] }, ['docs/b.md', 'docs/b.ts']],
    [{ exclude: ['docs/'] }, ['a.md']],
    [{ include: ['*.md', '!docs/drafts/*'] }, ['a.md', 'docs/b.md', 'src/docs/d.md']],
  ] as const)('%j', async (options, expected) => {
    expect(await ids(options)).toEqual(expected);
  });

  test('what is left out is told, a folder once; nothing left is an error that says so', async () => {
    const skipped: SkippedFile[] = [];
    await ids({ exclude: ['docs/'], onSkip: (file) => skipped.push(file) });
    const excluded = skipped.filter(({ reason }) => reason === 'excluded');
    expect(excluded.map(({ path }) => path)).toEqual([
      join(folder.path, 'docs'),
      join(folder.path, 'src', 'docs'),
    ]);
    await expect(ids({ include: ['*.pdf'] })).rejects.toThrow(/left out 6 files/);
    await expect(ids({ include: [' '] })).rejects.toThrow(/include must be patterns/);
  });

  test('a file that is named is read whatever patterns say', async () => {
    const files = await statDocuments(join(folder.path, 'a.log'), { include: ['*.md'] });
    expect(files.map(({ id }) => id)).toEqual(['a.log']);
  });
});

describe('ignore files', () => {
  test('leave out what Git leaves out, in folders inside too', async () => {
    const files = {
      '.gitignore': '*.tmp.md\n/build\n!keep.tmp.md\nlogs/\n# a comment\n\\#a.md\n',
      'a.md': 'x',
      '#a.md': 'x',
      'b.tmp.md': 'x',
      'keep.tmp.md': 'x',
      'build/c.md': 'x',
      'in/build/d.md': 'x',
      'in/.gitignore': '\ufeff*.md\n!build/\n!e.md\n!f.tmp.md\n',
      'in/e.md': 'x',
      'in/f.tmp.md': 'x',
      'in/g.md': 'x',
      'in/logs/h.md': 'x',
      'in/deep/i.md': 'x',
      'in/deep/e.md': 'x',
    };
    await folder.write(files);
    const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: folder.path });
    await git('init', '--quiet');
    const { stdout } = await git('ls-files', '--others', '--exclude-standard', '-z');
    const expected = stdout.split('\0').filter((name) => name.endsWith('.md'));
    expect(expected).toContain('in/e.md');
    expect((await ids()).sort()).toEqual(expected.sort());
    expect((await ids({ ignoreFiles: [] })).length).toBe(12);
  });

  test('.chunkweaveignore has the last word', async () => {
    await folder.write({
      '.gitignore': 'data/\nsecret.md\n',
      '.chunkweaveignore': '!data/\nb.md\n',
      'data/a.md': 'x',
      'b.md': 'x',
      'secret.md': 'x',
      'c.md': 'x',
    });
    expect(await ids()).toEqual(['c.md', 'data/a.md']);
  });

  test('one that cannot be read is told', async () => {
    await folder.write({ '.gitignore': '*'.repeat(2 << 20), 'a.md': 'x' });
    await symlink('nowhere', join(folder.path, '.chunkweaveignore'));
    const skipped: SkippedFile[] = [];
    expect(await ids({ onSkip: (file) => skipped.push(file) })).toEqual(['a.md']);
    expect(skipped.map(({ reason, detail }) => [reason, detail])).toEqual([
      ['unreadable', expect.stringMatching(/too large/)],
      ['unreadable', expect.stringMatching(/ENOENT/)],
    ]);
  });
});

test('files that programs write for programs are left out unless asked for', async () => {
  await folder.write({ 'package-lock.json': '{}', 'a.min.js': 'x', 'a.js': 'x', 'b.json': '{}' });
  expect(await ids()).toEqual(['a.js', 'b.json']);
  expect(await ids({ include: ['*.json'] })).toEqual(['b.json', 'package-lock.json']);
});

test('folders inside folders, many levels deep', async () => {
  const deep = Array.from({ length: 150 }, () => 'd').join('/');
  await folder.write({ [`${deep}/a.md`]: 'x' });
  expect(await ids()).toEqual([`${deep}/a.md`]);
});
