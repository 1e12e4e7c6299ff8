import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type LoadOptions, loadAllDocuments } from '../../../../adapters/fs/documents/index.js';
import {
  approximateTokens,
  chunkDocument,
  type Document,
  InvalidArgumentError,
  recursiveChunker,
} from '../../../../lib/index.js';
import { documentFolder, type DocumentFolder } from '../../../support/document-folder.js';

let folder: DocumentFolder;

beforeEach(async () => {
  folder = await documentFolder();
});

afterEach(() => folder.remove());

async function load(name: string, content: string | Uint8Array, options?: LoadOptions) {
  await folder.write({ [name]: content, 'zz.md': 'other' });
  const loaded = await loadAllDocuments(folder.path, options);
  return {
    ...loaded,
    documents: loaded.documents.filter(({ id }) => id !== 'zz.md'),
    told: loaded.warnings.map(({ detail }) => detail),
  };
}

const texts = (documents: readonly Document[]) => documents.map(({ id, text }) => [id, text]);

describe('CSV', () => {
  test('a row is a document: what is not text becomes metadata, of its chunks too', async () => {
    const csv =
      'title,text,year,format\nOtters,"They eat\nfish, mostly.",2020,long\nPandas,Bamboo.,,\n';
    const { documents } = await load('a.csv', csv);
    expect(texts(documents)).toEqual([
      ['a.csv#1', 'They eat\nfish, mostly.'],
      ['a.csv#2', 'Bamboo.'],
    ]);
    expect(documents[0]).toMatchObject({
      title: 'Otters',
      metadata: { format: 'csv', line: 2, record: 1, year: '2020', 'field.format': 'long' },
    });
    const tokenized = await approximateTokens(documents[1]!);
    const [chunk] = await chunkDocument(tokenized, { chunker: recursiveChunker() });
    expect(chunk?.metadata).toEqual({ title: 'Pandas', line: 4, record: 2 });
  });

  test('without a field for text, all fields are', async () => {
    const { documents } = await load('a.csv', 'name;food\nOtter;fish\nPanda;\n');
    expect(texts(documents)).toEqual([
      ['a.csv#1', 'name: Otter\nfood: fish'],
      ['a.csv#2', 'name: Panda'],
    ]);
  });

  test('fields, a text with fields in it, or a function make the text', async () => {
    const csv = 'id,name,food\nx1,Otter,fish\nx2,,\nx1,Panda,bamboo\n';
    const textOf = async (records: LoadOptions['records']) =>
      texts((await load('a.csv', csv, { records })).documents);
    expect(await textOf({ text: ['food'] })).toEqual([
      ['a.csv#1', 'fish'],
      ['a.csv#3', 'bamboo'],
    ]);
    expect(await textOf({ text: 'The {name} eats { food }.', id: 'id' })).toEqual([
      ['a.csv#x1', 'The Otter eats fish.'],
      ['a.csv#x1#3', 'The Panda eats bamboo.'],
    ]);
    expect(await textOf({ text: ({ name }) => `${name}!` })).toHaveLength(3);
    const { told } = await load('a.csv', csv, { records: { text: ['food'], id: 'id' } });
    expect(told).toEqual([
      'line 3: there is no text in it.',
      'line 4: its id "x1" is that of an earlier record, so its number is added.',
    ]);
    for (const text of ['no field', [] as string[]]) {
      await expect(load('a.csv', csv, { records: { text } })).rejects.toThrow(InvalidArgumentError);
    }
  });

  test('bad rows are told with their line, not one by one where there are many', async () => {
    const bad = Array.from({ length: 9 }, () => '1').join('\n');
    const { documents, told } = await load('a.csv', `a,b\n1,2\n${bad}\n3,4\n`);
    expect(documents).toHaveLength(2);
    expect(told).toHaveLength(6);
    expect(told[0]).toBe('line 3: it has 1 field, the header 2.');
    expect(told[5]).toBe('4 more of its records have such problems.');
    const none = await load('a.csv', 'a,b\n1\n');
    expect(none.skipped).toMatchObject([{ reason: 'malformed' }]);
    expect((await load('a.csv', 'a,a\n1,2\n')).skipped).toMatchObject([
      { reason: 'malformed', detail: expect.stringMatching(/twice/) },
    ]);
    expect((await load('a.csv', 'a,b\n')).skipped).toMatchObject([{ reason: 'blank' }]);
  });

  test('tabs, and UTF-16 with a byte order mark', async () => {
    const bytes = Buffer.from('\ufeffname\tfood\nOtter\tfish, crabs\n', 'utf16le');
    const { documents } = await load('a.tsv', bytes);
    expect(texts(documents)).toEqual([['a.tsv#1', 'name: Otter\nfood: fish, crabs']]);
  });
});

describe('JSON', () => {
  test('a list of objects is a document each; anything else is one text', async () => {
    const list = [
      { content: 'One.', author: { name: 'A' }, tags: ['x', 'y'] },
      { content: 'Two.' },
    ];
    const { documents } = await load('a.json', JSON.stringify(list));
    expect(texts(documents)).toEqual([
      ['a.json#1', 'One.'],
      ['a.json#2', 'Two.'],
    ]);
    expect(documents[0]?.metadata).toMatchObject({
      author: { name: 'A' },
      tags: ['x', 'y'],
      record: 1,
    });
    expect(documents[0]?.metadata).not.toHaveProperty('line');
    for (const other of ['{"a": [1, 2]}', '[1, 2]', '[]', '"text"']) {
      expect(texts((await load('a.json', other)).documents)).toEqual([['a.json', other]]);
    }
  });

  test('fields and lists may be inside objects', async () => {
    const data = { data: { items: [{ author: { name: 'A' }, 'a.b': 'dotted' }] } };
    const records = { list: 'data.items', text: '{author.name} {a.b}', metadata: ['author.name'] };
    const { documents } = await load('a.json', JSON.stringify(data), { records });
    expect(texts(documents)).toEqual([['a.json#1', 'A dotted']]);
    expect(documents[0]?.metadata).toMatchObject({ 'author.name': 'A' });
    const wrong = await load('a.json', '{"data": 1}', { records });
    expect(wrong.skipped[0]).toMatchObject({
      reason: 'malformed',
      detail: 'it has no list of objects at "data.items"',
    });
  });

  test('what is no JSON is skipped, and the rest goes on', async () => {
    const { documents, skipped } = await load('a.json', '{"a": ');
    expect(documents).toEqual([]);
    expect(skipped).toMatchObject([
      { reason: 'malformed', detail: expect.stringMatching(/no JSON/) },
    ]);
  });
});

test('JSON Lines: a document for each line, bad ones told', async () => {
  const lines = [
    '{"text":"One.","k":1}',
    '',
    '{"text":',
    '"Two."',
    '7',
    '{"k":2}',
    '{"text":"Three."}',
  ];
  const { documents, told } = await load('a.jsonl', `\ufeff${lines.join('\r\n')}`);
  expect(texts(documents)).toEqual([
    ['a.jsonl#1', 'One.'],
    ['a.jsonl#3', 'Two.'],
    ['a.jsonl#5', 'k: 2'],
    ['a.jsonl#6', 'Three.'],
  ]);
  expect(documents.map(({ metadata }) => metadata?.['line'])).toEqual([1, 4, 6, 7]);
  expect(told).toEqual([
    expect.stringMatching(/^line 3: it is no JSON/),
    'line 5: it is neither an object nor a text.',
  ]);
});

test('source code is text of its language, in which # is no heading', async () => {
  const { documents } = await load('a.py', '# a comment\n\ndef f():\n    return 1\n');
  expect(documents[0]).toMatchObject({
    id: 'a.py',
    metadata: { format: 'code', language: 'python' },
  });
  const tokenized = await approximateTokens(documents[0]!);
  const chunks = await chunkDocument(tokenized, { chunker: recursiveChunker({ maxTokens: 8 }) });
  expect(chunks.length).toBeGreaterThan(1);
  expect(chunks.every(({ metadata }) => !metadata?.['headings'])).toBe(true);
  expect(chunks.at(-1)?.metadata?.['line']).toBeGreaterThan(2);
});
