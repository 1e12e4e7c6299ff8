/** The native engine and embedder: any GGUF model of a supported architecture, on CPU or GPU, over ggml. */
export { supportedArchitectures } from './architectures.js';
export { type BinaryReport, type DeviceChoice, listDevices } from './devices.js';
export { GgmlEngine, loadEngine, type LoadEngineOptions } from './engine.js';
export type { PoolingKind } from './embedder/bert-file.js';
export { GgmlEmbedder, loadEmbedder, type LoadEmbedderOptions } from './embedder/embedder.js';
