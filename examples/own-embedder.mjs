// An embedder of one's own: vectors of the three letters around each letter, so that words in other forms are still near.
//
//     npm run build && node examples/own-embedder.mjs
import { createWeave } from 'chunkweave';
import { FakeEngine } from 'chunkweave/testing';

const trigrams = {
  fingerprint: 'trigrams-512', // Another one whenever vectors would be others.
  dimensions: 512,
  async embed(texts, { signal }) {
    signal?.throwIfAborted();
    return texts.map((text) => {
      const vector = new Float32Array(512);
      for (const [word] of text.toLowerCase().matchAll(/\p{L}{3,}/gu)) {
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

// The weave joins it with BM25, which alone finds nothing here.
const engine = new FakeEngine();
const weave = await createWeave({ engine, embedder: trigrams });
const texts = { otters: 'Otters are swimming.', pandas: 'Pandas climb.', keys: 'Rotate the key.' };
await weave.ingest(Object.entries(texts).map(([id, text]) => ({ id, text })));
const { sources } = await weave.explain('a swimmer', { topK: 1 });
for (const { documentId, score } of sources) console.log(documentId, score.toFixed(3));
await weave.dispose();
await engine.dispose();
