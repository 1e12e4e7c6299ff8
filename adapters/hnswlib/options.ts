import { InvalidArgumentError } from '../../lib/errors.js';
import type { VectorMetric, VectorSource } from '../../lib/retrieve/vector-index.js';
import { checkSource } from '../../lib/retrieve/vectors/entries.js';

export interface HnswIndexOptions {
  /** The embedder that the vectors come from, or its `fingerprint` and `dimensions`. */
  readonly embedder: VectorSource;
  /** Default `cosine`. With `dot`, vectors of very different lengths are found less surely. */
  readonly metric?: VectorMetric;
  /** Neighbours that each vector is linked to, on the lowest level twice as many; from 2 to 100. Default 16. */
  readonly connections?: number;
  /** Candidates looked at when a vector is linked: more make a better graph, slower. Default 200. */
  readonly efConstruction?: number;
  /** Candidates looked at by a query, at least: more find the nearest more surely, slower. Default 100. */
  readonly efSearch?: number;
  /** Vectors that there is room for at first. It grows by half when it is full. Default 1,024. */
  readonly capacity?: number;
  /** An index of up to so many vectors is searched exactly, which takes no longer. Default 1,000. */
  readonly exactUpTo?: number;
  /** Share of deleted vectors in the graph from which a removal makes it anew; Infinity for never. Default 0.5. */
  readonly rebuildAbove?: number;
  /**
   * What happens where `hnswlib-node` is not installed or its native part was not built: `exact` (default) searches
   * all vectors, as `flatIndex` does, and gives a notice; `throw` throws MissingPackageError.
   */
  readonly whenMissing?: 'exact' | 'throw';
  /** Is told what went another way than expected. Default: a warning of the process, of each kind once. */
  readonly onNotice?: (notice: HnswNotice) => void;
  /** Loads the package; default `import('hnswlib-node')`. */
  readonly load?: () => Promise<unknown>;
}

export type HnswNotice =
  /** There is no native part, so every query looks at every vector. */
  | { readonly type: 'exact'; readonly problem: string }
  /** The saved graph could not be used, so it was made anew from the vectors. */
  | { readonly type: 'rebuilt'; readonly problem: string };

export type CheckedOptions = Required<Omit<HnswIndexOptions, 'load'>> &
  Pick<HnswIndexOptions, 'load'>;

const warned = new Set<string>();

/** @throws InvalidArgumentError */
export function checkOptions(maker: string, options: HnswIndexOptions): CheckedOptions {
  const checked: CheckedOptions = {
    metric: 'cosine',
    connections: 16,
    efConstruction: 200,
    efSearch: 100,
    capacity: 1024,
    exactUpTo: 1000,
    rebuildAbove: 0.5,
    whenMissing: 'exact',
    onNotice: warn,
    ...options,
  };
  checkSource(maker, checked.embedder, checked.metric);
  for (const [name, least, most] of [
    ['connections', 2, 100],
    ['efConstruction', 1, 10_000],
    ['efSearch', 1, 10_000],
    ['capacity', 1, 2 ** 31],
    ['exactUpTo', 0, Number.MAX_SAFE_INTEGER],
  ] as const) {
    const value = checked[name];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    refuse(maker, name, value, `give a whole number from ${least} to ${most}`);
  }
  if (!(checked.rebuildAbove > 0)) {
    refuse(maker, 'rebuildAbove', checked.rebuildAbove, 'give a positive share, or Infinity');
  }
  if (checked.whenMissing !== 'exact' && checked.whenMissing !== 'throw') {
    refuse(maker, 'whenMissing', checked.whenMissing, 'give exact or throw');
  }
  return checked;
}

function refuse(maker: string, name: string, value: unknown, advice: string): never {
  throw new InvalidArgumentError(`${maker}: ${name} is ${String(value)}; ${advice}.`);
}

function warn({ type, problem }: HnswNotice): void {
  if (warned.has(type)) return;
  warned.add(type);
  process.emitWarning(problem, {
    type: 'ChunkweaveWarning',
    code: `VECTOR_INDEX_${type.toUpperCase()}`,
  });
}
