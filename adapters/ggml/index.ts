/** The native engine: any GGUF model of a supported architecture, on CPU or GPU, over ggml. */
export { supportedArchitectures } from './architectures.js';
export { type BinaryReport, type DeviceChoice, listDevices } from './devices.js';
export { GgmlEngine, loadEngine, type LoadEngineOptions } from './engine.js';
