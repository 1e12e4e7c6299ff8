import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  loadAllDocuments,
  loadDocuments,
  readDocuments,
  statDocuments,
  type SkippedFile,
} from '../../../../adapters/fs/documents/index.js';
import { DocumentError } from '../../../../lib/errors.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'documents-'));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function write(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

function reasons(skipped: readonly SkippedFile[]): string[] {
  return skipped.map(({ path, reason }) => `${path.slice(root.length + 1)}: ${reason}`);
}

describe('loadAllDocuments', () => {
  test('reads a folder and those inside it in a stable order', async () => {
    await write({
      'b.txt': '# not a title\nplain',
      'a/z.md': 'Intro\n\n## The Title ##\n\ntext',
      'a/B.MD': 'upper',
      'a.html': '<title>Page</title><p>Hello</p>',
      'c/d/e.rst': 'deep',
      '.hidden/x.md': 'no',
      '.x.md': 'no',
      'node_modules/p/readme.md': 'no',
    });
    const { documents, skipped, warnings } = await loadAllDocuments(root);
    expect(documents.map(({ id, title, text }) => [id, title, text])).toEqual([
      ['a/B.MD', undefined, 'upper'],
      ['a/z.md', 'The Title', 'Intro\n\n## The Title ##\n\ntext'],
      ['a.html', 'Page', 'Hello'],
      ['b.txt', undefined, '# not a title\nplain'],
      ['c/d/e.rst', undefined, 'deep'],
    ]);
    expect(skipped).toEqual([]);
    expect(warnings).toEqual([]);
    expect(documents[3]).toMatchObject({
      source: join(root, 'b.txt'),
      metadata: { format: 'text', bytes: 19, modified: expect.stringMatching(/^20\d\d-.*Z$/) },
    });
    expect(documents[2]?.metadata).toMatchObject({ format: 'html' });
    expect(documents[1]?.metadata).toMatchObject({ format: 'markdown' });
  });

  test('says what it leaves out and why, and reads the rest', async () => {
    await write({
      'a.md': 'good',
      'binary.txt': Uint8Array.of(0x61, 0, 0x62),
      'blank.md': ' \n\n',
      'empty.md': '',
      'empty.html': '<script>x</script>',
      'large.txt': 'x'.repeat(3000),
      'latin.txt': Uint8Array.of(...new TextEncoder().encode('some text, caf'), 0xe9),
      'paper.pdf': '%PDF-1.4',
      LICENSE: 'text',
      'deep.html': '<i>'.repeat(3000).slice(0, 2500) + '<i>'.repeat(2000),
    });
    const { documents, skipped, warnings } = await loadAllDocuments(root, { maxFileBytes: 2500 });
    expect(documents.map(({ id }) => id)).toEqual(['a.md', 'latin.txt']);
    expect(reasons(skipped).toSorted()).toEqual([
      'LICENSE: extension',
      'binary.txt: binary',
      'blank.md: blank',
      'deep.html: too-large',
      'empty.html: blank',
      'empty.md: blank',
      'large.txt: too-large',
      'paper.pdf: malformed',
    ]);
    expect(warnings).toEqual([
      { path: join(root, 'latin.txt'), detail: expect.stringMatching(/U\+FFFD/) },
    ]);
    const again = await loadAllDocuments(root);
    expect(again.skipped.find(({ path }) => path.endsWith('deep.html'))).toMatchObject({
      reason: 'malformed',
      detail: expect.stringMatching(/nested/),
    });
  });

  test('a file over 64 MB is refused without being read', async () => {
    await write({ 'a.md': 'small', 'huge.txt': '' });
    await truncate(join(root, 'huge.txt'), 100_000_000);
    const { documents, skipped } = await loadAllDocuments(root);
    expect(documents.length).toBe(1);
    expect(skipped[0]).toMatchObject({
      reason: 'too-large',
      detail: 'it has 95.37 MB, over the limit of 64 MB',
    });
  });

  test('other extensions can be asked for', async () => {
    await write({ 'a.md': 'one', 'b.TS': 'two', 'c.log': 'three' });
    const { documents, skipped } = await loadAllDocuments(root, { extensions: ['ts', '.log'] });
    expect(documents.map(({ id }) => id)).toEqual(['b.TS', 'c.log']);
    expect(reasons(skipped)).toEqual(['a.md: extension']);
    await expect(loadAllDocuments(root, { extensions: [] })).rejects.toThrow(
      /at least one extension/,
    );
    await expect(loadAllDocuments(root, { extensions: [''] })).rejects.toThrow(/none may be empty/);
  });

  test('a file that is named is read whatever its extension', async () => {
    await write({ Makefile: 'all:' });
    const { documents } = await loadAllDocuments(join(root, 'Makefile'));
    expect(documents).toMatchObject([{ id: 'Makefile', text: 'all:' }]);
  });
});

async function failure(path: string): Promise<string> {
  const error: unknown = await loadAllDocuments(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DocumentError);
  return error instanceof Error ? error.message : '';
}

describe('what cannot be loaded', () => {
  test('a path where nothing is', async () => {
    expect(await failure(join(root, 'nowhere'))).toMatch(
      /nowhere: there is no such file or folder/,
    );
    await write({ 'a.md': 'x' });
    expect(await failure(join(root, 'a.md', 'b'))).toMatch(/no such file/);
    await expect(loadAllDocuments('')).rejects.toThrow(/must not be empty/);
  });

  test('a folder without documents', async () => {
    await write({ 'a.png': 'x', 'b/c.zip': 'y' });
    expect(await failure(root)).toMatch(
      /no documents in this folder. Looked for \.md, .*\.html, .* and \d+ other extensions\.$/,
    );
  });

  test('a folder of which no document can be read, and such a file', async () => {
    await write({ 'a.md': '', 'b.txt': '%PDF-1.4' });
    expect(await failure(root)).toMatch(
      /none of its 2 documents could be read.*b\.txt: it is a PDF/,
    );
    expect(await failure(join(root, 'b.txt'))).toMatch(/it is a PDF, not text\./);
  });

  test('a device', async () => {
    if (existsSync('/dev/null'))
      expect(await failure('/dev/null')).toMatch(/neither a file nor a folder/);
  });
});

describe('links', () => {
  test('are left out, and reported', async () => {
    await write({ 'a.md': 'one' });
    await symlink(join(root, 'a.md'), join(root, 'b.md'));
    await symlink(root, join(root, 'loop'));
    const { documents, skipped } = await loadAllDocuments(root);
    expect(documents.length).toBe(1);
    expect(reasons(skipped)).toEqual(['b.md: link', 'loop: link']);
  });

  test('are followed on demand, each target once, loops and broken ones included', async () => {
    await write({ 'in/a.md': 'one', 'out/b.md': 'two', 'out/c/d.md': 'three' });
    await symlink(join(root, 'in'), join(root, 'in', 'loop'));
    await symlink(join(root, 'out'), join(root, 'in', 'out'));
    await symlink(join(root, 'out', 'c', 'd.md'), join(root, 'in', 'zed.md'));
    await symlink(join(root, 'gone'), join(root, 'in', 'gone.md'));
    const { documents, skipped } = await loadAllDocuments(join(root, 'in'), { followLinks: true });
    expect(documents.map(({ id }) => id)).toEqual(['a.md', 'out/b.md', 'out/c/d.md']);
    expect(reasons(skipped)).toEqual(['in/gone.md: unreadable']);
  });

  test('a folder that is itself named by a link is read', async () => {
    await write({ 'in/a.md': 'one' });
    await symlink(join(root, 'in'), join(root, 'link'));
    expect((await loadAllDocuments(join(root, 'link'))).documents.length).toBe(1);
  });
});

describe('loadDocuments', () => {
  test('gives documents as they are read, reports progress, and stops when told', async () => {
    await write({ 'a.md': 'one', 'b.md': 'three', 'c.md': 'x' });
    const progress: unknown[] = [];
    const controller = new AbortController();
    const ids: string[] = [];
    const run = async () => {
      const options = {
        signal: controller.signal,
        onProgress: (done: unknown) => progress.push(done),
      };
      for await (const { id } of loadDocuments(root, options)) {
        ids.push(id);
        if (id === 'b.md') controller.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(ids).toEqual(['a.md', 'b.md']);
    expect(progress).toEqual([
      { filesDone: 1, filesTotal: 3, bytesDone: 3, bytesTotal: 9 },
      { filesDone: 2, filesTotal: 3, bytesDone: 8, bytesTotal: 9 },
    ]);
    await expect(statDocuments(root, { signal: controller.signal })).rejects.toThrow('enough');
  });

  test('a file that goes away meanwhile is reported', async () => {
    await write({ 'a.md': 'one', 'b.md': 'two' });
    const skipped: SkippedFile[] = [];
    for await (const { id } of loadDocuments(root, { onSkip: (file) => skipped.push(file) })) {
      if (id === 'a.md') await rm(join(root, 'b.md'));
    }
    expect(skipped).toMatchObject([
      { reason: 'unreadable', detail: expect.stringMatching(/ENOENT/) },
    ]);
  });
});

test('fingerprints change with a file, and files can be read one by one', async () => {
  await write({ 'a.md': 'one', 'b.md': 'two' });
  const before = await statDocuments(root);
  await utimes(join(root, 'b.md'), 1000, 1000);
  const after = await statDocuments(root);
  expect(after[0]).toEqual(before[0]);
  expect(after[1]?.fingerprint).not.toBe(before[1]?.fingerprint);
  const [file] = after;
  if (!file) throw new Error('no file');
  expect(await readDocuments(file)).toMatchObject({ documents: [{ id: 'a.md', text: 'one' }] });
  await expect(readDocuments(file, { maxFileBytes: 0 })).rejects.toThrow(/maxFileBytes/);
});
