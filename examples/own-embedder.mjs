// An embedder of one's own: vectors of the three letters around each letter, so that words in other forms are still near.
//
//     npm run build && node examples/own-embedder.mjs
import {
  bm25Retriever,
  chunkDocument,
  denseRetriever,
  flatIndex,
  hybridRetriever,
  recursiveChunker,
} from 'chunkweave';
import { FakeTokenizer } from 'chunkweave/testing';

const trigrams = {
  fingerprint: 'trigrams-512', // Another one whenever vectors would be others.
  dimensions: 512,
  async embed(texts, { signal }) {
    signal?.throwIfAborted();
    return texts.map((text) => {
      const vector = new Float32Array(512);
      for (const [word] of text.toLowerCase().matchAll(/\p{L}+/gu)) {
        for (let i = 0; i + 3 <= word.length; i++) {
          const [a, b, c] = [0, 1, 2].map((k) => word.charCodeAt(i + k));
          vector[(a * 961 + b * 31 + c) % 512] += 1;
        }
      }
      const length = Math.hypot(...vector) || 1;
      return vector.map((value) => value / length);
    });
  },
};

const dense = denseRetriever({ embedder: trigrams, index: flatIndex({ embedder: trigrams }) });
const retriever = hybridRetriever({ retrievers: { lexical: bm25Retriever(), dense } });
const texts = { otters: 'Otters are swimming.', pandas: 'Pandas climb.', keys: 'Rotate the key.' };
const options = { tokenizer: new FakeTokenizer(), chunker: recursiveChunker() };
for (const [id, text] of Object.entries(texts)) {
  await retriever.add(await chunkDocument({ id, text }, options));
}
// BM25 alone finds nothing here. createWeave({ engine, retriever }) takes it as well.
for (const { chunk, score } of await retriever.search('a swimmer', { k: 1 })) {
  console.log(chunk.documentId, score.toFixed(3));
}
