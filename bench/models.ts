import { join } from 'node:path';
import { loadRuntime } from '../adapters/ggml/native/runtime.js';
import { type TinyModelOptions, writeTinyModel } from '../adapters/ggml/tiny-model/index.js';

export interface BenchModel {
  readonly name: string;
  readonly path: string;
}

/** SmolLM2's shape, with random weights: what computing costs does not depend on their values. */
const smolShape = {
  architecture: 'llama',
  layers: 30,
  width: 576,
  heads: 9,
  kvHeads: 3,
  feedForward: 1536,
  contextLength: 8192,
  vocabulary: { kind: 'bpe', size: 49152 },
} as const satisfies TinyModelOptions;

const random: Record<string, TinyModelOptions> = {
  'random-q8_0': { ...smolShape, weightType: 'q8_0' },
  'random-q4_0': { ...smolShape, weightType: 'q4_0' },
  // K-quants come in blocks of 256, so rows must be as long.
  'random-q4_K-768': {
    ...smolShape,
    weightType: 'q4_K',
    width: 768,
    heads: 12,
    kvHeads: 4,
    feedForward: 2048,
  },
};

/** The given model, and random ones of other types written to `directory`. */
export async function benchModels(
  directory: string,
  model: string,
  wanted: (name: string) => boolean,
): Promise<BenchModel[]> {
  const models: BenchModel[] = wanted('model') ? [{ name: 'model', path: model }] : [];
  for (const [name, options] of Object.entries(random)) {
    if (!wanted(name)) continue;
    const path = join(directory, `${name}.gguf`);
    await writeTinyModel(loadRuntime('base').ggml, path, options);
    models.push({ name, path });
  }
  return models;
}
