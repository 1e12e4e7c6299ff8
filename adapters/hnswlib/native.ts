import { MissingPackageError, VectorIndexError } from '../../lib/errors.js';

/** The part of a graph of the package `hnswlib-node` that an index uses. */
export interface NativeGraph {
  initIndex(
    maxElements: number,
    m: number,
    efConstruction: number,
    randomSeed: number,
    allowReplaceDeleted: boolean,
  ): void;
  addPoint(point: number[], label: number, replaceDeleted: boolean): void;
  markDelete(label: number): void;
  searchKnn(
    query: number[],
    k: number,
    filter?: (label: number) => boolean,
  ): { readonly neighbors: readonly number[] };
  resizeIndex(maxElements: number): void;
  setEf(ef: number): void;
  /** Resolves even where nothing was written. */
  writeIndex(path: string): Promise<boolean>;
  readIndexSync(path: string, allowReplaceDeleted: boolean): void;
  getIdsList(): number[];
  /** With those that are marked as deleted. */
  getCurrentCount(): number;
  getMaxElements(): number;
}

export interface HnswlibModule {
  readonly HierarchicalNSW: new (space: 'ip' | 'l2', dimensions: number) => NativeGraph;
}

const packageName: string = 'hnswlib-node';

/** @throws MissingPackageError where the package is not there, or its native part was not built. */
export async function loadHnswlib(
  load: () => Promise<unknown> = () => import(packageName),
): Promise<HnswlibModule> {
  let cause: unknown;
  try {
    const loaded = (await load()) as { default?: HnswlibModule } & Partial<HnswlibModule>;
    const module = loaded.HierarchicalNSW ? loaded : loaded.default;
    if (typeof module?.HierarchicalNSW === 'function') return module as HnswlibModule;
  } catch (error) {
    cause = error;
  }
  throw new MissingPackageError(packageName, 'A graph of vectors in memory', { cause });
}

/** Nothing that the native part throws leaves it as it is. @throws VectorIndexError */
export function native<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new VectorIndexError(`The graph of the vector index could not ${what}: ${problem}.`, {
      cause,
    });
  }
}
