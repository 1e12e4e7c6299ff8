import { MissingPackageError } from '../../lib/errors.js';

/** The tensor that a feature-extraction pipeline gives for several texts, `[texts][dimensions]`. */
export interface FeatureTensor {
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
}

/** The pipeline of either package, as far as it is used. */
export interface FeatureExtractor {
  (
    texts: string[],
    options: { pooling: 'mean' | 'cls'; normalize: boolean },
  ): Promise<FeatureTensor>;
  dispose?(): Promise<unknown>;
}

/** What `@huggingface/transformers` and `@xenova/transformers` have in common. */
export interface TransformersModule {
  pipeline(
    task: 'feature-extraction',
    model: string,
    options: Readonly<Record<string, unknown>>,
  ): Promise<unknown>;
}

const current = '@huggingface/transformers';
/** What it was called before version 3. */
const former = '@xenova/transformers';

/**
 * Loads whichever of the two packages is installed, the maintained one first.
 * @throws MissingPackageError
 */
export async function loadTransformers(): Promise<TransformersModule> {
  const failures: unknown[] = [];
  for (const name of [current, former]) {
    try {
      // A name that the compiler doesn't follow: types of an optional package may be missing.
      return (await import(name)) as TransformersModule;
    } catch (cause) {
      failures.push(cause);
    }
  }
  const cause = new AggregateError(failures, `Neither ${current} nor ${former} can be loaded.`);
  throw new MissingPackageError(current, 'An embedder over transformers', { cause });
}
