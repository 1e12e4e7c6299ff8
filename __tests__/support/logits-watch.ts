import type { KvEngine } from '../../lib/index.js';

/** Keeps every row of logits that an answer's tokens are chosen from. */
export function watchLogits(engine: Pick<KvEngine, 'createSampler'>): Float32Array[] {
  const rows: Float32Array[] = [];
  const create = engine.createSampler.bind(engine);
  engine.createSampler = async (options) => {
    const sampler = await create(options);
    const sample = sampler.sample.bind(sampler);
    sampler.sample = (logits) => {
      rows.push(logits.slice());
      return sample(logits);
    };
    return sampler;
  };
  return rows;
}

export function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}
