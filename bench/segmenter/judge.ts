import { joinsOf } from '../../lib/chunkers/segmenter/joins.js';
import type { LoadedWeights } from '../../lib/chunkers/segmenter/weights.js';
import { runAtOnce } from '../../lib/pace.js';
import { addGradient, type Network, type Pair } from './network.js';

export interface PairScores {
  /** Mean squared error. */
  readonly loss: number;
  /** How often a pair within a paragraph is put above one across two; chance is 0.5. */
  readonly ranking: number;
}

export const scoresOfNetwork = (network: Network, pairs: readonly Pair[]): PairScores =>
  scoresOf(pairs, (pair) => addGradient(network, pair, undefined));

/** As the chunker computes it. */
export const scoresOfWeights = (weights: LoadedWeights, pairs: readonly Pair[]): PairScores =>
  scoresOf(pairs, ({ first, second }) => {
    const values = new Float32Array(2 * first.length);
    values.set(first);
    values.set(second, first.length);
    return runAtOnce(joinsOf({ count: 2, dimensions: first.length, values }, weights))[0] as number;
  });

/** Of the cosine of the two, as a baseline; its loss means nothing. */
export const scoresOfCosine = (pairs: readonly Pair[]): PairScores =>
  scoresOf(pairs, ({ first, second }) =>
    first.reduce((sum, value, k) => sum + value * (second[k] as number), 0),
  );

function scoresOf(pairs: readonly Pair[], say: (pair: Pair) => number): PairScores {
  const said = pairs.map((pair) => ({ value: say(pair), together: pair.together }));
  const loss = said.reduce((sum, one) => sum + (one.value - one.together) ** 2, 0) / said.length;
  const within = said.filter((one) => one.together === 1);
  const across = said.filter((one) => one.together === 0);
  let above = 0;
  for (const a of within) {
    for (const b of across) above += a.value > b.value ? 1 : a.value === b.value ? 0.5 : 0;
  }
  return { loss, ranking: above / (within.length * across.length) };
}
