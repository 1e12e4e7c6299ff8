import type { VectorMetric } from '../vector-index.js';

/** The score of the vector of `query.length` numbers that begins at `at`. */
export type Similarity = (data: Float32Array, at: number, query: Float32Array) => number;

/** Of vectors as an index keeps them: those for `cosine` have length 1. */
export function similarityOf(metric: VectorMetric): Similarity {
  return metric === 'euclidean' ? nearness : dot;
}

// Four sums that do not wait for each other.
function dot(data: Float32Array, at: number, query: Float32Array): number {
  const length = query.length;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    a += (data[at + i] as number) * (query[i] as number);
    b += (data[at + i + 1] as number) * (query[i + 1] as number);
    c += (data[at + i + 2] as number) * (query[i + 2] as number);
    d += (data[at + i + 3] as number) * (query[i + 3] as number);
  }
  for (; i < length; i++) a += (data[at + i] as number) * (query[i] as number);
  return a + b + (c + d);
}

function nearness(data: Float32Array, at: number, query: Float32Array): number {
  const length = query.length;
  let a = 0;
  let b = 0;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    const x = (data[at + i] as number) - (query[i] as number);
    const y = (data[at + i + 1] as number) - (query[i + 1] as number);
    a += x * x;
    b += y * y;
  }
  if (i < length) {
    const x = (data[at + i] as number) - (query[i] as number);
    a += x * x;
  }
  return -Math.sqrt(a + b);
}
