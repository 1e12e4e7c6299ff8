// A chunker of one's own: a passage for each paragraph, on token borders.
//
//     npm run build && node examples/own-chunker.mjs
import { chunkDocument } from 'chunkweave';
import { FakeTokenizer } from 'chunkweave/testing';

const paragraphs = {
  name: 'paragraphs',
  async chunk({ id: documentId, text, tokens }) {
    // The first token that begins at or after each blank line.
    const cuts = [0];
    for (const { index } of text.matchAll(/\n\s*\n(?=\S)/g)) {
      const cut = tokens.starts.findIndex((start) => start > index);
      if (cut > cuts.at(-1) && cut < tokens.ids.length) cuts.push(cut);
    }
    return cuts.map((tokenStart, i) => {
      const tokenEnd = cuts[i + 1] ?? tokens.ids.length;
      const [start, end] = [tokens.starts[tokenStart], tokens.starts[tokenEnd]];
      return {
        id: `${documentId}#${i}`,
        documentId,
        start,
        end,
        text: text.slice(start, end),
        tokens: tokens.ids.slice(tokenStart, tokenEnd),
        tokenStart,
      };
    });
  },
};

// `chunkDocument`, and so `ingest`, checks what a chunker gives: exact spans on token borders, nothing left out.
const text = 'Otters eat fish.\n\nPandas eat bamboo, and little else.\n\nBoth sleep.';
const chunker = paragraphs; // createWeave({ engine, chunker }) takes it as well
const chunks = await chunkDocument(
  { id: 'animals', text },
  { tokenizer: new FakeTokenizer(), chunker },
);
for (const { id, start, end, text } of chunks) console.log(id, start, end, JSON.stringify(text));
