import type { Steps } from '../../pace.js';
import type { Vectors } from '../embedded-units.js';
import type { LoadedWeights } from './weights.js';

/**
 * For each two neighbours, how likely they belong to one paragraph, in (0, 1): a small network over the features of
 * SAGE's segmenter (arXiv 2503.01713, section 4), `x1`, `x2`, `x1 - x2` and `x1 * x2` of their vectors,
 *
 *     sigmoid(output . relu(W [x1, x2, x1 - x2, x1 * x2] + bias) + outputBias)
 *
 * The difference is a sum of the first two, so its weights are in theirs.
 */
export function* joinsOf(
  { count, dimensions, values }: Vectors,
  weights: LoadedWeights,
): Steps<Float64Array> {
  const { hidden, first, second, product, bias, output, outputBias } = weights;
  const joins = new Float64Array(Math.max(0, count - 1));
  for (let i = 0; i < joins.length; i++) {
    const x = i * dimensions;
    const y = x + dimensions;
    let sum = outputBias;
    for (let unit = 0; unit < hidden; unit++) {
      const row = unit * dimensions;
      let active = bias[unit] as number;
      for (let k = 0; k < dimensions; k++) {
        const a = values[x + k] as number;
        const b = values[y + k] as number;
        active +=
          (first[row + k] as number) * a +
          (second[row + k] as number) * b +
          (product[row + k] as number) * a * b;
      }
      if (active > 0) sum += (output[unit] as number) * active;
    }
    joins[i] = 1 / (1 + Math.exp(-sum));
    if ((i & 0x1f) === 0) yield i / joins.length;
  }
  return joins;
}
