import type { VectorEntry } from '../../lib/index.js';
import { seededInteger, seededNormals, seededRandom } from '../../lib/random.js';

export interface ClusteredVectors {
  readonly entries: VectorEntry[];
  readonly queries: Float32Array[];
}

/** Vectors of a cluster, about as many as the chunks of a few documents on one subject. */
const perCluster = 100;
/** Length of what is added to a centre of length 1: two vectors of a cluster have a cosine of about 0.74. */
const spread = 0.6;

/**
 * Vectors as embedders make them, roughly: around random centres of length 1, one for every 100 vectors and at least 10,
 * with normally distributed noise of length 0.6, brought to length 1. Queries are drawn the same way and are none of
 * the vectors.
 */
export function clusteredVectors(
  count: number,
  queries: number,
  dimensions: number,
): ClusteredVectors {
  const random = seededRandom(count);
  const clusters = Math.max(10, Math.round(count / perCluster));
  const centres = Array.from({ length: clusters }, () =>
    unit(seededNormals(random, dimensions, 1)),
  );
  const draw = (): Float32Array => {
    const centre = centres[seededInteger(random, clusters)] as Float32Array;
    const noise = seededNormals(random, dimensions, spread / Math.sqrt(dimensions));
    return unit(noise.map((value, i) => value + (centre[i] as number)));
  };
  return {
    entries: Array.from({ length: count }, (_, i) => ({ id: `e${i}`, vector: draw() })),
    queries: Array.from({ length: queries }, draw),
  };
}

function unit(values: Float64Array): Float32Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(values, (value) => value / length);
}
