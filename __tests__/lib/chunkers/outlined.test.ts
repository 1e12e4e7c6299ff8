import { describe, expect, test } from '@jest/globals';
import {
  bm25Retriever,
  chunkDocument,
  type Document,
  outlinedChunker,
} from '../../../lib/index.js';
import { chunkerConformance } from '../../../lib/testing/index.js';
import { randomDocuments } from '../../support/soak.js';
import { wordTokenizer } from '../../support/tokenizers.js';

for (const overlapTokens of [0, 10]) {
  describe(`outlined, overlap ${overlapTokens}`, () => {
    chunkerConformance({
      test,
      chunker: () => outlinedChunker({ maxTokens: 40, overlapTokens }),
      tokenizer: wordTokenizer,
      maxTokens: 40,
      // What a chunk repeats leaves less room for a character.
      longestCharacter: 40 - overlapTokens,
      overlaps: overlapTokens > 0,
      longLine: 10_000,
      ...randomDocuments(80, overlapTokens > 0 ? 1 : 0, 2),
    });
  });
}

const chunksOf = (document: Omit<Document, 'id'>, chunker = outlinedChunker({ maxTokens: 12 })) =>
  chunkDocument({ id: 'd', ...document }, { tokenizer: wordTokenizer(), chunker });
const headingsOf = async (text: string, metadata?: Document['metadata']) =>
  (await chunksOf({ text, ...(metadata && { metadata }) })).map(
    (chunk) => chunk.metadata?.['headings'],
  );

const prose = 'The pump is started by hand. It turns for a while and then it stops again.';

test('a title above a blank line is that of all chunks', async () => {
  const headings = await headingsOf(`\n Starting the pump\r\n\r\n\n${prose} ${prose}`);
  expect(headings.length).toBeGreaterThan(2);
  expect(new Set(headings.map((path) => JSON.stringify(path)))).toEqual(
    new Set(['["Starting the pump"]']),
  );
});

test('what reads as text is no title', async () => {
  for (const first of ['It begins here.', 'Note:', '1234', 'x'.repeat(120)]) {
    expect(await headingsOf(`${first}\n\n${prose}`)).not.toContainEqual([first]);
  }
  expect(await headingsOf(`No blank line\n${prose}`)).not.toContainEqual(['No blank line']);
  expect(await headingsOf('Alone')).toEqual([undefined]);
});

test('headings of wikis and of Markdown have their depth', async () => {
  const text = ` = Pumps = \n ${prose} \n = = Care = = \n ${prose} \n = = = Oil = = = \n ${prose} \n == Use == \n${prose}`;
  const paths = (await headingsOf(text)).map((path) => (path as string[]).join(' > '));
  expect([...new Set(paths)]).toEqual([
    'Pumps',
    'Pumps > Care',
    'Pumps > Care > Oil',
    'Pumps > Use',
  ]);
  const windows = (await headingsOf(text.replaceAll('\n', '\r\n'))).map(String);
  expect([...new Set(windows)]).toEqual(['Pumps', 'Pumps,Care', 'Pumps,Care,Oil', 'Pumps,Use']);
  const markdown = (await headingsOf(`# Pumps\n\n${prose}\n\n## Care\n\n${prose}`)).map(String);
  expect([...new Set(markdown)]).toEqual(['Pumps', 'Pumps,Care']);
});

test('inside of a fence nothing is a heading', async () => {
  const paths = await headingsOf(`${prose}\n\n\`\`\`\n# no heading\n = None = \n\`\`\`\n${prose}`);
  expect(paths.every((path) => path === undefined)).toBe(true);
});

test('a heading stays with what it announces', async () => {
  const text = `${prose}\n\n= Care =\n\nOil it once a year, and never more.`;
  const chunks = await chunksOf({ text }, outlinedChunker({ maxTokens: 18 }));
  expect(chunks.some((chunk) => /^= Care =\s+Oil it/.test(chunk.text))).toBe(true);
});

test('the title of the metadata comes first, and once', async () => {
  const paths = await headingsOf(`Pumps\n\n${prose}`, { title: 'Manual' });
  expect(new Set(paths.map(String))).toEqual(new Set(['Manual,Pumps']));
  expect(await headingsOf(`Pumps\n\nThey turn.`, { title: 'Pumps' })).toEqual([['Pumps']]);
});

test('chunks far from the title are found by it', async () => {
  const other = prose.replaceAll('pump', 'lamp');
  const retriever = bm25Retriever();
  const texts = {
    pump: `Pump care\n\n${prose} It must be oiled.`,
    lamp: `Lamp care\n\n${other} It must be oiled.`,
  };
  for (const [id, text] of Object.entries(texts)) {
    await retriever.add(
      await chunkDocument(
        { id, text },
        { tokenizer: wordTokenizer(), chunker: outlinedChunker({ maxTokens: 8 }) },
      ),
    );
  }
  const hits = await retriever.search('When is a lamp oiled?', { k: 10 });
  const oiled = hits.filter(({ chunk }) => chunk.text.includes('oiled'));
  expect(oiled.map(({ chunk }) => chunk.documentId)).toEqual(['lamp', 'pump']);
});
