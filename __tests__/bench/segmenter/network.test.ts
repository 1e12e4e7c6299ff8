import { expect, test } from '@jest/globals';
import { scoresOfNetwork, scoresOfWeights } from '../../../bench/segmenter/judge.js';
import {
  addGradient,
  newNetwork,
  type Pair,
  trainNetwork,
  weightsOf,
} from '../../../bench/segmenter/network.js';
import { loadWeights } from '../../../lib/chunkers/segmenter/weights.js';
import { seededNormals, seededRandom } from '../../../lib/random.js';

const dimensions = 6;

function unit(random: () => number): Float32Array {
  const vector = seededNormals(random, dimensions, 1);
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => value / length);
}

/** Vectors of one paragraph agree in their first number: nothing that is linear in the two tells. */
function pairsFrom(seed: number, count: number): Pair[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const [first, second] = [unit(random), unit(random)];
    return { first, second, together: (first[0] as number) * (second[0] as number) > 0 ? 1 : 0 };
  });
}

test('the gradient is that of the squared error', () => {
  const network = newNetwork(dimensions, 5, 3);
  const kept = Float64Array.from([2, 0, 1, 1, 0.5]);
  for (const pair of pairsFrom(1, 4)) {
    const gradient = new Float64Array(network.parameters.length);
    addGradient(network, pair, gradient, kept);
    const loss = () => (addGradient(network, pair, undefined, kept) - pair.together) ** 2;
    const step = 1e-6;
    for (let k = 0; k < gradient.length; k++) {
      const own = network.parameters[k] as number;
      network.parameters[k] = own + step;
      const above = loss();
      network.parameters[k] = own - step;
      const below = loss();
      network.parameters[k] = own;
      expect(gradient[k]).toBeCloseTo((above - below) / (2 * step), 6);
    }
  }
});

test('training learns what only the product tells, and is the same each time', () => {
  const train = pairsFrom(1, 600);
  const trained = () => {
    const network = newNetwork(dimensions, 12, 1);
    trainNetwork(network, train, { epochs: 40, seed: 2, rate: 5e-3, decay: 0.01 });
    return network;
  };
  const network = trained();
  expect(scoresOfNetwork(network, pairsFrom(2, 300)).ranking).toBeGreaterThan(0.95);
  expect(trained().parameters).toEqual(network.parameters);
});

test('bytes say what the network says', () => {
  const network = newNetwork(dimensions, 12, 1);
  trainNetwork(network, pairsFrom(1, 300), { epochs: 20, seed: 2, rate: 5e-3 });
  const weights = weightsOf(network, 'words');
  const loaded = loadWeights(weights, { fingerprint: 'words', dimensions, embed: async () => [] });
  const pairs = pairsFrom(3, 200);
  const [exact, inBytes] = [scoresOfNetwork(network, pairs), scoresOfWeights(loaded, pairs)];
  expect(Math.abs(exact.loss - inBytes.loss)).toBeLessThan(0.01);
  expect(Math.abs(exact.ranking - inBytes.ranking)).toBeLessThan(0.01);
});
