import type { TinyModelOptions } from '../../adapters/ggml/tiny-model/index.js';

/** One random model for each architecture and kind of RoPE, in float weights. */
export const floatModels: Record<string, TinyModelOptions> = {
  llama: { architecture: 'llama' },
  'llama, biases and an own output matrix': { architecture: 'llama', tied: false, biases: true },
  'llama, RoPE factors': { architecture: 'llama', rope: { base: 500000, factors: true } },
  'llama, linear scaling': { architecture: 'llama', rope: { scaling: 'linear', factor: 4 } },
  'llama, YaRN': { architecture: 'llama', rope: { scaling: 'yarn', factor: 4 } },
  qwen2: { architecture: 'qwen2', rope: { base: 1000000 } },
  'qwen2, YaRN': { architecture: 'qwen2', rope: { scaling: 'yarn', factor: 4 } },
  qwen3: { architecture: 'qwen3', headDim: 32, tied: false },
  gemma3: { architecture: 'gemma3', headDim: 32, layers: 6, windowPeriod: 3 },
  'gemma3, linear scaling and a soft cap': {
    architecture: 'gemma3',
    rope: { base: 1000000, scaling: 'linear', factor: 8 },
    logitSoftcap: 30,
  },
};

export const quantisedModels: Record<string, TinyModelOptions> = {
  'llama q8_0': { architecture: 'llama', weightType: 'q8_0' },
  'llama q4_0': { architecture: 'llama', weightType: 'q4_0', tied: false },
  'qwen2 q4_1': { architecture: 'qwen2', weightType: 'q4_1' },
  'qwen3 q4_K': { architecture: 'qwen3', weightType: 'q4_K', width: 256, heads: 4, headDim: 64 },
  'gemma3 q4_0': { architecture: 'gemma3', weightType: 'q4_0', headDim: 32 },
};
