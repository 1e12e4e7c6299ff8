import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { loadAllDocuments } from '../../../adapters/fs/documents/index.js';
import { chunkDocument } from '../../../lib/chunk-document.js';
import { recursiveChunker } from '../../../lib/chunkers/recursive.js';
import { bm25Retriever, type Bm25Retriever } from '../../../lib/retrieve/bm25.js';
import { wordTokenizer } from '../../support/tokenizers.js';

const folder = fileURLToPath(new URL('../../../examples/documents', import.meta.url));
let retriever: Promise<Bm25Retriever> | undefined;

/** The documents of the demo on their whole way: loaded, tokenised, cut, indexed. */
async function ingest(): Promise<Bm25Retriever> {
  const { documents, skipped, warnings } = await loadAllDocuments(folder);
  expect([skipped, warnings]).toEqual([[], []]);
  const filled = bm25Retriever();
  for (const document of documents) {
    await filled.add(
      await chunkDocument(document, { tokenizer: wordTokenizer(), chunker: recursiveChunker() }),
    );
  }
  return filled;
}

test.each([
  ['To how much were credit card late fees cut?', 'late fees from $32 to $8', 1],
  ['What was the price of insulin lowered to?', '$35 a month', 8],
  ['Which country joined NATO with its minister in the chamber?', 'Sweden officially joined', 3],
  ['Why does prefix caching fail for retrieved passages?', 'come in\nanother order', 1],
  ['How many KB does a token of an eight billion parameter model take?', 'about 128 KB', 3],
  ['What does the boundary policy recompute?', 'the first few tokens of each chunk', 3],
  ['How should policies be compared at equal cost?', 'Compare at equal cost', 3],
])('%s', async (question, quote, k) => {
  retriever ??= ingest();
  const found = await (await retriever).search(question, { k });
  expect(found.map(({ chunk }) => chunk.text).join('\n---\n')).toContain(quote);
});
