/** Embedders over `@huggingface/transformers` or `@xenova/transformers`, which are optional packages. */
export {
  loadTransformersEmbedder,
  TransformersEmbedder,
  type TransformersEmbedderOptions,
} from './embedder.js';
export type { FeatureExtractor, FeatureTensor, TransformersModule } from './package.js';
