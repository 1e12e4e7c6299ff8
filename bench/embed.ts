import { readFile } from 'node:fs/promises';
import { type GgmlEmbedder, loadEmbedder } from '../adapters/ggml/index.js';
import { defaultEmbedder, resolveModel } from '../adapters/models/index.js';
import {
  atLeast,
  type BenchOptions,
  type BenchOutcome,
  benchWith,
  emptyOutcome,
  isWanted,
  median,
  round,
  timed,
} from './harness.js';
import { passages } from './passages.js';

/** Passages that are embedded in one call, and queries one after another. */
const PASSAGES = 64;
const QUERIES = 20;
/** Least cosine to the reference, by how the model is stored. */
const parts = [
  { name: 'f16', alias: defaultEmbedder, cosine: 0.999 },
  { name: 'q8_0', alias: `${defaultEmbedder}-q8`, cosine: 0.98 },
] as const;

interface Reference {
  readonly sentences: readonly { readonly text: string; readonly embedding: readonly number[] }[];
}

/** Texts a second, time of a query, and nearness to a plain fp32 forward pass. */
export const embed = benchWith(
  {
    reference: {
      type: 'string',
      value: 'FILE',
      default: '../shared/models/all-minilm-l6-v2-reference.json',
      help: 'sentences with vectors of all-MiniLM-L6-v2',
    },
  },
  async (options, { reference }): Promise<BenchOutcome> => {
    const outcome = emptyOutcome(options.model ?? defaultEmbedder);
    const known = await readReference(reference);
    // Of another model there is no reference.
    if (options.model !== undefined || !known) {
      outcome.skipped.push(`cosine: ${known ? 'the reference is of another model' : reference}`);
    }
    const chosen =
      options.model === undefined ? parts : [{ name: 'model', alias: options.model, cosine: 0 }];
    for (const { name, alias, cosine } of chosen) {
      if (!isWanted(name, options, outcome)) continue;
      const { path } = await resolveModel(alias);
      const embedder = await loadEmbedder({
        model: path,
        device: options.device,
        ...(options.threads !== undefined && { threads: options.threads }),
      });
      try {
        await measure(embedder, name, options, outcome);
        if (options.model === undefined && known) {
          const least = await leastCosine(embedder, known);
          outcome.goals[`embed.${name}.cosine.min`] = {
            ...atLeast(least, cosine),
            value: Number(least.toFixed(6)),
          };
        }
      } finally {
        await embedder.dispose();
      }
    }
    return outcome;
  },
);

async function measure(
  embedder: GgmlEmbedder,
  name: string,
  options: BenchOptions,
  { figures }: BenchOutcome,
): Promise<void> {
  const texts = passages(PASSAGES).map(({ text }) => text);
  const call = (): Promise<unknown> => embedder.embed(texts, { kind: 'passage' });
  const ask = (): Promise<unknown> =>
    embedder.embed(['Which tokens of a cached passage are computed again?'], { kind: 'query' });
  // The first call reserves memory.
  await call();
  const times: number[] = [];
  const queries: number[] = [];
  for (let run = 0; run < options.repeat; run++) {
    times.push(await timed(call));
    for (let query = 0; query < QUERIES; query++) queries.push(await timed(ask));
  }
  const characters = texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
  figures[`embed.${name}.passages.perSecond`] = round((1000 * PASSAGES) / median(times));
  figures[`embed.${name}.passage.characters`] = round(characters);
  figures[`embed.${name}.query.ms`] = round(median(queries));
  options.log(`${name}: ${round((1000 * PASSAGES) / median(times))} passages a second`);
}

async function leastCosine(embedder: GgmlEmbedder, { sentences }: Reference): Promise<number> {
  const vectors = await embedder.embed(
    sentences.map(({ text }) => text),
    { kind: 'passage' },
  );
  return Math.min(
    ...sentences.map(({ embedding }, i) =>
      embedding.reduce((sum, value, at) => sum + value * (vectors[i]?.[at] ?? Number.NaN), 0),
    ),
  );
}

async function readReference(path: string): Promise<Reference | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Reference);
}
