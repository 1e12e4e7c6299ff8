import { intentChunker, type Embedder } from '../../lib/index.js';
import { seededNormals, seededRandom } from '../../lib/random.js';
import { atMost, type BenchOptions, type BenchOutcome, median, timed } from '../harness.js';
import { withCharacterTokens } from './character-tokens.js';

const sentences = 10_000;
const dimensions = 384;
const intents = 50;

/** Milliseconds that the exact dynamic program takes for a long document, embedding left out. */
export async function intentSpeed(options: BenchOptions, { goals }: BenchOutcome): Promise<void> {
  const random = seededRandom(1);
  const made = Array.from({ length: 1000 }, () =>
    Float32Array.from(seededNormals(random, dimensions, 1)),
  );
  let spent = 0;
  // Vectors are there already, but for their time, which is taken off.
  const embedder: Embedder = {
    fingerprint: 'random',
    dimensions,
    embed: async (texts) => {
      const start = performance.now();
      const vectors = texts.map(
        (_, i) => made[(i * 31 + texts.length) % made.length] as Float32Array,
      );
      spent += performance.now() - start;
      return vectors;
    },
  };
  const questions = Array.from({ length: intents }, (_, i) => `Question ${i}?`);
  const chunker = intentChunker({
    embedder,
    maxTokens: 2000,
    intents: { name: 'made', intentsOf: async () => questions },
  });
  const text = Array.from({ length: sentences }, (_, i) => `Sentence number ${i} is here.`).join(
    ' ',
  );
  const document = withCharacterTokens({ id: 'long', text });
  const times: number[] = [];
  for (let run = 0; run < options.repeat; run++) {
    spent = 0;
    times.push((await timed(() => chunker.chunk(document))) - spent);
  }
  goals['intent.10000sentences.ms'] = atMost(median(times), 1000);
}
