import { seededInteger, seededNormals, seededRandom } from '../../random.js';
import type {
  VectorEntry,
  VectorIndex,
  VectorMatch,
  VectorMetric,
  VectorSource,
} from '../../retrieve/vector-index.js';
import type { Bytes } from '../../retrieve/vectors/blocks.js';
import { compareTexts } from '../../retrieve/filter.js';
import { equal, ok } from './assert.js';

/** What an index is made or opened with. */
export interface VectorIndexSetting {
  readonly embedder: VectorSource;
  readonly metric: VectorMetric;
}

/** What the cases of an index have to work with. */
export interface VectorLab {
  /** An empty index; default 8 dimensions, `cosine`. */
  create(setting?: Partial<VectorIndexSetting>): Promise<VectorIndex>;
  /** Undefined where the index is not one of bytes. */
  readonly restore:
    | ((bytes: Bytes, setting: VectorIndexSetting) => Promise<VectorIndex>)
    | undefined;
  /** Undefined where entries do not outlast the index. */
  readonly reopen:
    | ((index: VectorIndex, setting: VectorIndexSetting) => Promise<VectorIndex>)
    | undefined;
  /** Share of the exact neighbours that a query must find at least. */
  readonly minRecall: number;
}

export type VectorCase = (lab: VectorLab) => Promise<void>;

export const plainSetting: VectorIndexSetting = {
  embedder: { fingerprint: 'sample embedder', dimensions: 8 },
  metric: 'cosine',
};

export const sized = (dimensions: number): VectorSource => ({
  ...plainSetting.embedder,
  dimensions,
});

/** Normally distributed components. */
export function sampleVectors(count: number, dimensions: number, seed = 1): Float32Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () =>
    Float32Array.from(seededNormals(random, dimensions, 1)),
  );
}

/** Entries `e0`, `e1` and so on, with the metadata `number` and `group`. */
export function sampleEntries(count: number, dimensions = 8, seed = 1): VectorEntry[] {
  const random = seededRandom(seed + 1000);
  return sampleVectors(count, dimensions, seed).map((vector, number) => ({
    id: `e${number}`,
    vector,
    metadata: { number, group: `g${seededInteger(random, 5)}` },
  }));
}

/** What a query must find, told plainly, in double precision. */
export function bruteForce(
  entries: Iterable<VectorEntry>,
  query: Float32Array,
  k: number,
  metric: VectorMetric,
): VectorMatch[] {
  return Array.from(entries, ({ id, vector, metadata = {} }) => ({
    id,
    score: plainScore(vector, query, metric),
    metadata,
  }))
    .sort((a, b) => b.score - a.score || compareTexts(a.id, b.id))
    .slice(0, k);
}

export function plainScore(a: Float32Array, b: Float32Array, metric: VectorMetric): number {
  let products = 0;
  let squares = 0;
  for (let i = 0; i < a.length; i++) {
    products += (a[i] as number) * (b[i] as number);
    squares += ((a[i] as number) - (b[i] as number)) ** 2;
  }
  if (metric === 'euclidean') return -Math.sqrt(squares);
  return metric === 'dot' ? products : products / (lengthOf(a) * lengthOf(b));
}

const lengthOf = (vector: Float32Array): number =>
  Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

/** Scores may differ by what single precision does to them. */
export const closeTo = (actual: number, expected: number): boolean =>
  Math.abs(actual - expected) <= 2e-5 * Math.max(1, Math.abs(expected));

/**
 * Holds what an index found against what it should have found: how many, that scores are those of their ids and fall,
 * and gives how many of the exact neighbours are there; those of equal score stand for each other.
 */
export function hitsAmong(
  found: readonly VectorMatch[],
  expected: readonly VectorMatch[],
  scoreOf: (id: string) => number,
): number {
  equal(found.length, expected.length, 'matches');
  equal(new Set(found.map(({ id }) => id)).size, found.length, 'different ids');
  const least = expected.at(-1)?.score ?? 0;
  let hits = 0;
  for (const [i, { id, score }] of found.entries()) {
    const should = scoreOf(id);
    ok(closeTo(score, should), `the score of ${id} is ${score} instead of ${should}`);
    ok(i === 0 || score <= (found[i - 1] as VectorMatch).score, `scores rise at ${i}`);
    if (should >= least - 2e-5 * Math.max(1, Math.abs(least))) hits++;
  }
  return hits;
}

export const idsOf = (matches: readonly VectorMatch[]): string =>
  matches.map(({ id }) => id).join();

/** All that an index holds, by its answer to a query for everything. */
export async function everything(index: VectorIndex): Promise<VectorMatch[]> {
  const query = new Float32Array(index.dimensions).fill(1);
  return index.query(query, { k: 1_000_000 });
}
