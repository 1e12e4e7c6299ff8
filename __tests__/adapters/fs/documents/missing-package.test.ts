import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { documentFolder, type DocumentFolder } from '../../../support/document-folder.js';
import { pdfOf } from '../../../support/pdf.js';

jest.unstable_mockModule('unpdf', () => {
  throw new Error('Cannot find package unpdf');
});
const { loadAllDocuments } = await import('../../../../adapters/fs/documents/index.js');

let folder: DocumentFolder;

beforeEach(async () => {
  folder = await documentFolder();
});

afterEach(() => folder.remove());

test('without the package a PDF is skipped, and what to install is said', async () => {
  await folder.write({ 'a.pdf': pdfOf([['Text.']]), 'b.md': 'text' });
  const { documents, skipped } = await loadAllDocuments(folder.path);
  expect(documents.map(({ id }) => id)).toEqual(['b.md']);
  expect(skipped).toMatchObject([
    { reason: 'missing-package', detail: expect.stringMatching(/npm install unpdf/) },
  ]);
});
