/**
 * Trains the segmenter of `trainedChunker`: whether two neighbouring sentences stand in one paragraph, from their vectors.
 * Run after `npm run build`:
 *
 *     node scripts/train-segmenter.mjs --data DIR [--docs DIR] [--embedder MODEL] [--write]
 *
 * DIR holds `cookbook` and `musique` in the forms of the benches' data. Prints how well pairs of documents that were not
 * trained on are told apart, by the network and by cosine, and with --write saves the weights to
 * lib/chunkers/segmenter/minilm-weights.ts. The same texts, embedder and options give the same weights.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadEmbedder } from '../dist/adapters/ggml/index.js';
import { keepVectors, vectorsPath } from '../dist/bench/chunking/kept-vectors.js';
import { scoresOfCosine, scoresOfNetwork, scoresOfWeights } from '../dist/bench/segmenter/judge.js';
import { newNetwork, trainNetwork, weightsOf } from '../dist/bench/segmenter/network.js';
import { loosePairsOf, pairsOf } from '../dist/bench/segmenter/pairs.js';
import { trainingTexts } from '../dist/bench/segmenter/texts.js';
import { loadWeights } from '../dist/lib/chunkers/segmenter/weights.js';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    docs: { type: 'string', default: 'docs' },
    embedder: { type: 'string', default: 'all-minilm-l6-v2' },
    threads: { type: 'string', default: '1' },
    hidden: { type: 'string', default: '64' },
    epochs: { type: 'string', default: '20' },
    decay: { type: 'string', default: '3' },
    dropout: { type: 'string', default: '0.5' },
    loose: { type: 'boolean', default: true },
    write: { type: 'boolean', default: false },
  },
  allowNegative: true,
});
if (!values.data) throw new Error('Give --data DIR.');
const seed = 1;
const hidden = Number(values.hidden);

const texts = await trainingTexts(values.data, values.docs);
const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
const embedder = await loadEmbedder({ model: values.embedder, threads: Number(values.threads) });
const kept = keepVectors(embedder, vectorsPath(embedder));
const started = performance.now();
// Every fifth document is only asked about.
const isOut = (_, i) => i % 5 === 2;
const known = texts.paragraphs.filter((one, i) => !isOut(one, i));
const train = await pairsOf(known, kept);
const validation = await pairsOf(texts.paragraphs.filter(isOut), kept);
if (values.loose) train.push(...(await loosePairsOf(texts.runs, kept, seed)));
const embedded = performance.now();

const network = newNetwork(embedder.dimensions, hidden, seed);
trainNetwork(network, train, {
  epochs: Number(values.epochs),
  seed,
  dropout: Number(values.dropout),
  decay: Number(values.decay),
  onEpoch: (epoch, loss) => {
    const { loss: out, ranking } = scoresOfNetwork(network, validation);
    console.error(
      `epoch ${epoch + 1}: loss ${loss.toFixed(4)}; not trained on: ${out.toFixed(4)}, ranking ${ranking.toFixed(4)}`,
    );
  },
});
const weights = weightsOf(network, embedder.fingerprint);
const round = ({ loss, ranking }) => ({
  loss: Number(loss.toFixed(4)),
  ranking: Number(ranking.toFixed(4)),
});
console.log(
  JSON.stringify({
    texts: hash,
    pairs: train.length,
    across: train.filter(({ together }) => together === 0).length,
    validationPairs: validation.length,
    validationAcross: validation.filter(({ together }) => together === 0).length,
    network: round(scoresOfNetwork(network, validation)),
    inBytes: round(scoresOfWeights(loadWeights(weights, embedder), validation)),
    cosine: round(scoresOfCosine(validation)),
    bytes: JSON.stringify(weights).length,
    secondsOfVectors: Math.round((embedded - started) / 1000),
    secondsOfTraining: Math.round((performance.now() - embedded) / 1000),
  }),
);
await embedder[Symbol.asyncDispose]();
if (values.write) {
  await writeFile(
    new URL('../lib/chunkers/segmenter/minilm-weights.ts', import.meta.url),
    `/**
 * Written by \`node scripts/train-segmenter.mjs\`, of texts with the hash ${hash}; do not edit. What was learned from: the
 * documentation of this package, sections of the Anthropic cookbook's data (MIT), passages of MuSiQue (CC BY 4.0).
 */
import type { SegmenterWeights } from './weights.js';

export const minilmWeights: SegmenterWeights = ${JSON.stringify(weights, null, 2)};
`,
  );
}
