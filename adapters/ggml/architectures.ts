import { ModelFileError, UnsupportedArchitectureError } from '../../lib/errors.js';
import type { GgufHeader } from './gguf.js';
import { type Hyperparameters, metadata, type Metadata } from './hyperparameters.js';

/**
 * What differs between dense decoder architectures; the graph builder reads nothing else. To add one,
 * add a row (and its tiny model to the exactness tests).
 */
export interface Architecture {
  readonly name: string;
  /** RoPE pairing: 0 for consecutive elements, 2 for NeoX halves. */
  readonly ropeMode: 0 | 2;
  /** RMS norm of each query and key head before rotation. */
  readonly headNorms: boolean;
  /** RMS norm of attention's and feed-forward's outputs before they join the residual stream. */
  readonly postNorms: boolean;
  readonly activation: 'silu' | 'gelu';
  /** Whether token embeddings are multiplied by the square root of the width. */
  readonly scaleEmbeddings: boolean;
  /** Whether the attention scale is applied to the queries instead of the scores. */
  readonly scaleQueries: boolean;
  /** Period of the layer pattern in which the last layer has full attention, when the file names none. */
  readonly windowPeriod?: number;
  /** Whether a tensor of RoPE factors is used, as in Llama 3.x. */
  readonly ropeFactors?: boolean;
  /** A sentence for a person when the file asks for what llama.cpp ignores too. */
  readonly ignoresWindow?: boolean;
  readonly attentionScale?: (shape: {
    width: number;
    heads: number;
    layers: number;
  }) => number | undefined;
}

const table: readonly Architecture[] = [
  {
    name: 'llama',
    ropeFactors: true,
    ropeMode: 0,
    headNorms: false,
    postNorms: false,
    activation: 'silu',
    scaleEmbeddings: false,
    scaleQueries: false,
    ignoresWindow: true,
  },
  {
    name: 'qwen2',
    ropeMode: 2,
    headNorms: false,
    postNorms: false,
    activation: 'silu',
    scaleEmbeddings: false,
    scaleQueries: false,
    ignoresWindow: true,
  },
  {
    name: 'qwen3',
    ropeMode: 2,
    headNorms: true,
    postNorms: false,
    activation: 'silu',
    scaleEmbeddings: false,
    scaleQueries: false,
    ignoresWindow: true,
  },
  {
    name: 'gemma3',
    ropeMode: 2,
    headNorms: true,
    postNorms: true,
    activation: 'gelu',
    scaleEmbeddings: true,
    scaleQueries: true,
    windowPeriod: 6,
    // Only the 27B model, told by its 62 layers, was trained with another scale.
    attentionScale: ({ width, heads, layers }) =>
      layers === 62 ? 1 / Math.sqrt(width / heads) : undefined,
  },
];

/** Names of the architectures that can be run. */
export const supportedArchitectures: readonly string[] = table.map((row) => row.name);

/**
 * The row of the file's architecture and the values that its graph needs.
 * @throws UnsupportedArchitectureError, ModelFileError
 */
export function describeArchitecture(header: GgufHeader): {
  architecture: Architecture;
  hyperparameters: Hyperparameters;
  values: Metadata;
} {
  const name = header.values.get('general.architecture');
  if (typeof name !== 'string') {
    throw new ModelFileError(header.path, 'its header does not name an architecture.');
  }
  const architecture = table.find((row) => row.name === name);
  if (!architecture) {
    const advice = name === 'bert' ? 'it makes vectors: open it with loadEmbedder' : '';
    throw new UnsupportedArchitectureError(name, supportedArchitectures, advice);
  }
  const values = metadata(header, name);
  return { architecture, values, hyperparameters: read(header, architecture, values) };
}

function read(header: GgufHeader, architecture: Architecture, values: Metadata): Hyperparameters {
  const refuse = (detail: string): never => {
    throw new UnsupportedArchitectureError(architecture.name, supportedArchitectures, detail);
  };
  const malformed = (detail: string): never => {
    throw new ModelFileError(header.path, detail);
  };
  if (values.number('expert_count')) refuse('mixture of experts');
  const layers = positive('block_count', 1024);
  const width = positive('embedding_length', 1 << 20);
  const heads =
    uniform('attention.head_count', layers) ?? malformed('its header lacks head counts.');
  const kvHeads = uniform('attention.head_count_kv', layers) ?? heads;
  const feedForward =
    uniform('feed_forward_length', layers) ?? malformed('its header lacks a feed-forward length.');
  const headDim = values.number('attention.key_length') ?? width / heads;
  const valueDim = values.number('attention.value_length') ?? width / heads;
  const ropeDims = values.number('rope.dimension_count') ?? headDim;
  if (headDim !== valueDim)
    refuse(`key and value heads of different size, ${headDim} and ${valueDim}`);
  if (ropeDims !== headDim) refuse(`RoPE over ${ropeDims} of ${headDim} elements of a head`);
  if (!Number.isInteger(headDim) || headDim % 2 || headDim < 2 || headDim > 1024) {
    malformed(`its heads have ${headDim} elements.`);
  }
  if (kvHeads < 1 || heads % kvHeads)
    malformed(`${heads} heads cannot share ${kvHeads} key heads.`);

  const vocabSize = header.tensors.get('token_embd.weight')?.shape[1];
  if (!vocabSize) malformed('it lacks the tensor token_embd.weight.');
  const notes: string[] = [];
  const sliding = windowOf(architecture, values, layers, notes);
  const normEps = values.number('attention.layer_norm_rms_epsilon');
  if (normEps === undefined || !(normEps >= 0 && normEps < 1)) {
    malformed('its header lacks a sound attention.layer_norm_rms_epsilon.');
  }

  return {
    layers,
    width,
    heads,
    kvHeads,
    headDim,
    feedForward,
    vocabSize: vocabSize as number,
    contextLength: positive('context_length', 1 << 30),
    normEps: normEps as number,
    rope: ropeOf(architecture, values, headDim, refuse, malformed),
    attentionScale:
      architecture.attentionScale?.({ width, heads, layers }) ?? 1 / Math.sqrt(headDim),
    scaleQueries: architecture.scaleQueries,
    ...sliding,
    attentionSoftcap: 0,
    logitSoftcap: values.number('final_logit_softcapping') ?? 0,
    embeddingScale: architecture.scaleEmbeddings ? Math.sqrt(width) : 1,
    notes,
  };

  function positive(key: string, most: number): number {
    const value = values.required(key);
    if (!Number.isInteger(value) || value < 1 || value > most) {
      malformed(`its ${architecture.name}.${key} is ${value}.`);
    }
    return value;
  }

  function uniform(key: string, count: number): number | undefined {
    const all = values.perLayer(key, count);
    if (all?.some((value) => value !== all[0])) refuse(`${key} differs between layers`);
    const value = all?.[0];
    if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > 1 << 20)) {
      malformed(`its ${architecture.name}.${key} is ${value}.`);
    }
    return value;
  }
}

function windowOf(
  architecture: Architecture,
  values: Metadata,
  layers: number,
  notes: string[],
): { window: number; slidingLayers: boolean[] } {
  const window = values.number('attention.sliding_window') ?? 0;
  const period = architecture.windowPeriod;
  if (window > 0 && architecture.ignoresWindow) {
    notes.push(
      `The file names a sliding window of ${window} tokens; llama.cpp ignores it for ${architecture.name}, and so does this engine.`,
    );
  }
  if (!window || period === undefined) {
    return { window: 0, slidingLayers: Array.from({ length: layers }, () => false) };
  }
  const key = 'attention.sliding_window_pattern';
  // A number is a period, a list says of each layer whether it slides.
  const every = values.number(key);
  const listed = every === undefined ? values.perLayer(key, layers) : undefined;
  const slidingLayers = Array.from({ length: layers }, (_, layer) =>
    listed ? listed[layer] !== 0 : slides(layer, every ?? period),
  );
  return { window: slidingLayers.includes(true) ? window : 0, slidingLayers };
}

/** Whether a layer slides where the last one of each period does not; with a period of 0 all do. */
function slides(layer: number, period: number): boolean {
  return period === 0 || layer % period < period - 1;
}

function ropeOf(
  architecture: Architecture,
  values: Metadata,
  headDim: number,
  refuse: (detail: string) => never,
  malformed: (detail: string) => never,
): Hyperparameters['rope'] {
  const scaling = values.string('rope.scaling.type') ?? 'linear';
  if (scaling !== 'none' && scaling !== 'linear' && scaling !== 'yarn') {
    refuse(`RoPE scaling "${scaling}"`);
  }
  const factor = values.number('rope.scaling.factor') || values.number('rope.scale_linear') || 1;
  const scale = scaling === 'none' ? 1 : 1 / factor;
  const extFactor = scaling === 'yarn' ? 1 : 0;
  let attnFactor = values.number('rope.scaling.attn_factor') ?? 1;
  if (extFactor !== 0) {
    // YaRN stretches attention by 0.1 ln(factor) + 1 (Peng et al. 2023, eq. 22). ggml's RoPE applies the
    // same factor by itself, so it is cancelled here.
    const stretch = factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1;
    attnFactor *= stretch / (1 + 0.1 * Math.log(factor));
  }
  const full = { base: values.number('rope.freq_base') ?? 10000, scale };
  const sliding = { base: values.number('rope.freq_base_swa') ?? 10000, scale: 1 };
  const originalContext =
    values.number('rope.scaling.original_context_length') ?? values.required('context_length');
  for (const value of [full.base, scale, sliding.base, attnFactor, originalContext]) {
    if (!(value > 0 && value < Infinity)) malformed('its RoPE settings are no positive numbers.');
  }
  return {
    dims: headDim,
    mode: architecture.ropeMode,
    full,
    sliding,
    originalContext,
    extFactor,
    attnFactor,
    betaFast: 32,
    betaSlow: 1,
  };
}
