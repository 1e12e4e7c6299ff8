import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadAllDocuments } from '../../../../adapters/fs/documents/index.js';
import { approximateTokens, chunkDocument, recursiveChunker } from '../../../../lib/index.js';
import { documentFolder, type DocumentFolder } from '../../../support/document-folder.js';
import { encrypted, pdfOf } from '../../../support/pdf.js';

let folder: DocumentFolder;

beforeEach(async () => {
  folder = await documentFolder();
});

afterEach(() => folder.remove());

test('a PDF is its lines; chunks know their page, and no line', async () => {
  const pages = [
    ['Otters eat fish (and crabs).', 'They swim.', '', '# A new paragraph.'],
    ['The second page is about pandas.'],
    [],
    ['The fourth page is about koalas.'],
  ];
  await folder.write({ 'a.pdf': pdfOf(pages, { title: 'On  animals' }) });
  const { documents, warnings } = await loadAllDocuments(folder.path);
  const [document] = documents;
  expect(document).toMatchObject({
    id: 'a.pdf',
    title: 'On animals',
    text:
      'Otters eat fish (and crabs).\nThey swim.\n\n# A new paragraph.\n\n\f' +
      'The second page is about pandas.\n\n\f\n\n\fThe fourth page is about koalas.',
    metadata: { format: 'pdf', pages: 4, author: 'A. Writer' },
  });
  expect(warnings.map(({ detail }) => detail)).toEqual(['Of its 4 pages, 1 have no text.']);
  const tokenized = await approximateTokens(document!);
  const chunks = await chunkDocument(tokenized, { chunker: recursiveChunker({ maxTokens: 12 }) });
  const pageOf = (word: string) => chunks.find(({ text }) => text.includes(word))?.metadata;
  expect(pageOf('Otters')).toEqual({ page: 1 });
  expect(pageOf('pandas')).toEqual({ page: 2 });
  expect(pageOf('koalas')).toEqual({ page: 4 });
});

test('a PDF of one page is page 1', async () => {
  await folder.write({ 'a.pdf': pdfOf([['One page.']]) });
  const [document] = (await loadAllDocuments(folder.path)).documents;
  const tokenized = await approximateTokens(document!);
  const chunks = await chunkDocument(tokenized, { chunker: recursiveChunker() });
  expect(chunks.map(({ metadata }) => metadata)).toEqual([{ page: 1 }]);
});

test('bookmarks become headings, from where their words stand on', async () => {
  const pages = [
    ['Contents.', '', 'One: Otters', 'They eat fish.', '', '1.1 (Rivers)', 'They swim in rivers.'],
    ['They go on here.'],
    ['A page about pandas.'],
  ];
  const bookmarks = [
    ['One:  Otters', 0],
    ['Lost', 7],
    ['Two', 2],
  ] as const;
  const inner = [['1.1 (Rivers)', 0]] as const;
  await folder.write({ 'a.pdf': pdfOf(pages, { bookmarks, inner }) });
  const [document] = (await loadAllDocuments(folder.path)).documents;
  const tokenized = await approximateTokens(document!);
  const chunks = await chunkDocument(tokenized, { chunker: recursiveChunker({ maxTokens: 8 }) });
  const found = (word: string) => chunks.find(({ text }) => text.includes(word))?.metadata;
  expect(found('Contents')).toEqual({ page: 1 });
  expect(found('fish')).toEqual({ page: 1, headings: ['One: Otters'] });
  expect(found('swim')).toEqual({ page: 1, headings: ['One: Otters', '1.1 (Rivers)'] });
  expect(found('go on')).toEqual({ page: 2, headings: ['One: Otters', '1.1 (Rivers)'] });
  expect(found('pandas')).toEqual({ page: 3, headings: ['Two'] });
});

test('bad PDFs are told apart, and the rest goes on', async () => {
  const whole = pdfOf([['Some text.']]);
  await folder.write({
    'a.md': 'good',
    'cut.pdf': whole.subarray(0, 200),
    'empty.pdf': '',
    'locked.pdf': pdfOf([['Secret.']], { trailer: encrypted }),
    'scan.pdf': pdfOf([[], []]),
    'text.pdf': 'no PDF',
    'z.pdf': whole,
  });
  const { documents, skipped } = await loadAllDocuments(folder.path);
  expect(documents.map(({ id }) => id)).toEqual(['a.md', 'z.pdf']);
  const reasons = skipped.map(({ path, reason }) => [path.slice(folder.path.length + 1), reason]);
  expect(Object.fromEntries(reasons)).toEqual({
    'cut.pdf': 'malformed',
    'empty.pdf': 'blank',
    'locked.pdf': 'encrypted',
    'scan.pdf': 'blank',
    'text.pdf': 'malformed',
  });
});

test('an abort between pages ends it', async () => {
  await folder.write({ 'a.pdf': pdfOf(Array.from({ length: 200 }, (_, i) => [`Page ${i}.`])) });
  const controller = new AbortController();
  const loading = loadAllDocuments(folder.path, { signal: controller.signal });
  setImmediate(() => controller.abort(new Error('enough')));
  await expect(loading).rejects.toThrow('enough');
});
