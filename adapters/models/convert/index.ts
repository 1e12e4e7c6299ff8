export { type ConvertOptions, convertSentenceTransformers } from './convert.js';
export { isModelFile } from './model-files.js';
