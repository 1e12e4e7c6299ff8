/** For tests: a deterministic fake engine, and conformance suites for parts of your own. */

export type { Tolerance } from './conformance/compare.js';
export { chunkerConformance, type ChunkerConformanceOptions } from './chunker-conformance.js';
export {
  engineConformance,
  type ConformanceOptions,
  type ConformanceRunner,
} from './engine-conformance.js';
export { FakeEngine, type FakeCounters, type FakeEngineOptions } from './fake/fake-engine.js';
export type { FakeModelOptions } from './fake/fake-model.js';
export { HashingEmbedder, type HashingEmbedderOptions } from './fake/hashing-embedder.js';
export { FakeTokenizer } from './fake/fake-tokenizer.js';
export { seededInteger, seededNormals, seededRandom } from '../random.js';
export { selectorConformance, type SelectorConformanceOptions } from './selector-conformance.js';
export {
  sampleKey,
  sampleRecord,
  storeConformance,
  type SampleRecordOptions,
  type StoreConformanceOptions,
} from './store-conformance.js';
export type { VectorIndexSetting } from './conformance/vector-lab.js';
export { vectorIndexConformance, type VectorConformanceOptions } from './vector-conformance.js';
