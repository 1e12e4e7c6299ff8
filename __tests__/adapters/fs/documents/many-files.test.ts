import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadDocuments } from '../../../../adapters/fs/documents/index.js';
import { documentFolder, type DocumentFolder } from '../../../support/document-folder.js';

const files = process.env['CHUNKWEAVE_SOAK'] === undefined ? 1000 : 10_000;

let folder: DocumentFolder;

beforeEach(async () => {
  folder = await documentFolder();
});

afterEach(() => folder.remove());

test(`${files} files, some of them bad, are read one after another`, async () => {
  for (let part = 0; part < files / 100; part++) {
    await mkdir(join(folder.path, `${part}`));
    const writes = Array.from({ length: 100 }, (_, i) =>
      writeFile(join(folder.path, `${part}`, `${i}.txt`), i === 7 ? '' : `text ${part}.${i}`),
    );
    await Promise.all(writes);
  }
  const ids = new Set<string>();
  let blank = 0;
  let last = 0;
  const loading = loadDocuments(folder.path, {
    onSkip: ({ reason }) => (blank += reason === 'blank' ? 1 : 0),
    onProgress: ({ filesDone, filesTotal }) => (last = filesDone / filesTotal),
  });
  for await (const { id, text } of loading) {
    expect(`text ${id.replace('/', '.').replace('.txt', '')}`).toBe(text);
    ids.add(id);
  }
  expect([ids.size, blank, last]).toEqual([files * 0.99, files / 100, 1]);
});
