// A chunker of one's own: a passage for each paragraph.
//
//     npm run build && node examples/own-chunker.mjs
import { chunkDocument, chunksAt } from 'chunkweave';
import { FakeTokenizer } from 'chunkweave/testing';

const paragraphs = {
  name: 'paragraphs',
  chunk(document, options) {
    const gaps = document.text.matchAll(/\n\s*\n(?=\S)/g);
    const beginnings = Array.from(gaps, ({ index, 0: gap }) => index + gap.length);
    return chunksAt(document, beginnings, options);
  },
};

// createWeave({ engine, chunker: paragraphs }) takes it; what it gives is checked against text and tokens.
const text = 'Otters eat fish.\n\nPandas eat bamboo, and little else.\n\nBoth sleep.';
const chunks = await chunkDocument(
  { id: 'animals', text },
  { tokenizer: new FakeTokenizer(), chunker: paragraphs },
);
for (const { id, start, end, text } of chunks) console.log(id, start, end, JSON.stringify(text));
