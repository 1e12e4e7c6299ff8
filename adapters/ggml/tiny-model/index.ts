import { rm } from 'node:fs/promises';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { GgmlType, type Ggml } from '../native/ggml.js';
import { type GgufInput, type TensorInput, writeGguf } from '../../gguf/writer.js';
import { tinyVocabulary, type TinyVocabularyOptions } from './vocabulary.js';
import { randomTensor } from './weights.js';

export type TinyArchitecture = 'llama' | 'qwen2' | 'qwen3' | 'gemma3';
export type TinyWeightType = 'f32' | 'f16' | 'q8_0' | 'q4_0' | 'q4_1' | 'q4_K';

/** Shape of a random model. Every default makes a file of under 1 MB that computes in milliseconds. */
export interface TinyModelOptions {
  readonly architecture: TinyArchitecture;
  /** Default 4. */
  readonly layers?: number;
  /** Elements of a token's vector, default 64. */
  readonly width?: number;
  /** Query heads, default 4. */
  readonly heads?: number;
  /** Key and value heads, a divisor of `heads`; default 2. */
  readonly kvHeads?: number;
  /** Elements of a head, even; default `width / heads` (which qwen2 requires). */
  readonly headDim?: number;
  /** Default twice the width. */
  readonly feedForward?: number;
  /** Trained context in tokens, default 2048. */
  readonly contextLength?: number;
  /** Type of the matrices, default f32. Rows must be whole blocks: of 32 elements, q4_K's of 256. */
  readonly weightType?: TinyWeightType;
  readonly rope?: TinyRope;
  /** Tokens that a sliding layer sees, 0 for none; default 32 for gemma3. Others name it, and are read without. */
  readonly window?: number;
  /**
   * Every so manieth layer has full attention, or which layers slide (gemma3 only); default 2. With null the
   * file does not say.
   */
  readonly windowPeriod?: number | readonly boolean[] | null;
  /** Whether the output matrix is the embedding; default true. */
  readonly tied?: boolean;
  /** Biases wherever libllama reads them for the architecture; default true for qwen2 only. */
  readonly biases?: boolean;
  /** Bound of the logits, tanh-shaped (gemma3 only); default 0, none. */
  readonly logitSoftcap?: number;
  /** Default BPE; SPM for gemma3. */
  readonly vocabulary?: TinyVocabularyOptions;
  /** Jinja source for the header; default none. */
  readonly chatTemplate?: string;
  /** Same seed and shape, same file; default 0. */
  readonly seed?: number;
}

export interface TinyRope {
  /** Default 10000. */
  readonly base?: number;
  readonly scaling?: 'none' | 'linear' | 'yarn';
  /** Times by which the context was stretched; default 4 where there is scaling. */
  readonly factor?: number;
  /** Context before stretching, for YaRN; default a quarter of `contextLength`. */
  readonly originalContext?: number;
  /** Frequency divisors as in Llama 3.1, `headDim / 2` of them, or `true` for plausible ones (llama only). */
  readonly factors?: readonly number[] | true;
}

export interface TinyModel {
  readonly path: string;
  readonly bytes: number;
  readonly vocabSize: number;
}

const weightTypes = {
  f32: GgmlType.F32,
  f16: GgmlType.F16,
  q8_0: GgmlType.Q8_0,
  q4_0: GgmlType.Q4_0,
  q4_1: GgmlType.Q4_1,
  q4_K: GgmlType.Q4_K,
} as const;

/** Standard deviation of the logits and, before softmax, of the attention scores. */
const LOGITS = 2;
const SCORES = 2;
/** The input token's own logit with a tied output: with a larger one the model would only repeat its input. */
const OWN_LOGIT = 4;

/**
 * Writes a model file with random weights that libllama loads: for tests, benchmarks and `doctor`. Logits
 * and attention scores have a standard deviation of about 2, so neither is uniform or a single peak.
 * @throws InvalidArgumentError for a shape that the architecture or the weight type does not allow.
 */
export async function writeTinyModel(
  ggml: Ggml,
  path: string,
  options: TinyModelOptions,
): Promise<TinyModel> {
  const shape = resolve(ggml, options);
  const vocabulary = tinyVocabulary(shape.vocabulary);
  const tensors = listTensors(ggml, shape, vocabulary.size);
  const values = new Map([...header(shape, vocabulary.size), ...vocabulary.values]);
  if (options.chatTemplate !== undefined)
    values.set('tokenizer.chat_template', options.chatTemplate);
  try {
    const { bytes } = await writeGguf(path, values, tensors);
    return { path, bytes, vocabSize: vocabulary.size };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

type Shape = Required<Omit<TinyModelOptions, 'chatTemplate' | 'rope' | 'vocabulary'>> & {
  readonly rope: TinyRope;
  readonly vocabulary: TinyVocabularyOptions;
  readonly type: number;
};

function resolve(ggml: Ggml, options: TinyModelOptions): Shape {
  const { architecture, width = 64, heads = 4, weightType = 'f32' } = options;
  const isGemma = architecture === 'gemma3';
  const shape: Shape = {
    architecture,
    width,
    heads,
    weightType,
    layers: options.layers ?? 4,
    kvHeads: options.kvHeads ?? Math.min(2, heads),
    headDim: options.headDim ?? width / heads,
    feedForward: options.feedForward ?? 2 * width,
    contextLength: options.contextLength ?? 2048,
    rope: options.rope ?? {},
    window: options.window ?? (isGemma ? 32 : 0),
    windowPeriod: options.windowPeriod === undefined ? 2 : options.windowPeriod,
    tied: options.tied ?? true,
    biases: options.biases ?? architecture === 'qwen2',
    logitSoftcap: options.logitSoftcap ?? 0,
    vocabulary: options.vocabulary ?? { kind: isGemma ? 'spm' : 'bpe' },
    seed: options.seed ?? 0,
    type: weightTypes[weightType],
  };
  check(ggml, shape);
  return shape;
}

function refuse(problem: string): never {
  throw new InvalidArgumentError(`Such a tiny model cannot be made: ${problem}.`);
}

function check(ggml: Ggml, shape: Shape): void {
  const { architecture, headDim, heads, kvHeads, layers, rope, width } = shape;
  for (const key of [
    'layers',
    'width',
    'heads',
    'kvHeads',
    'headDim',
    'feedForward',
    'contextLength',
  ] as const) {
    const value = shape[key];
    if (!Number.isInteger(value) || value < 1) refuse(`${key} is ${value}, not a positive integer`);
  }
  if (shape.type === undefined) refuse(`weight type ${shape.weightType} is not known`);
  if (layers > 512) refuse('libllama allows 512 layers');
  if (headDim % 2) refuse(`headDim is ${headDim}, not even`);
  if (heads % kvHeads) refuse(`${heads} heads cannot share ${kvHeads} key heads`);
  if (architecture === 'qwen2' && heads * headDim !== width) {
    refuse('qwen2 needs heads * headDim to be the width');
  }
  const block = Number(ggml.blockSize(shape.type));
  for (const length of [width, heads * headDim, shape.feedForward]) {
    if (length % block) {
      refuse(`rows of ${length} elements are no whole blocks of ${block} (${shape.weightType})`);
    }
  }
  if (architecture !== 'gemma3' && shape.logitSoftcap) {
    refuse(`logitSoftcap does nothing in ${architecture}`);
  }
  if (rope.factors && architecture !== 'llama') refuse('only llama reads rope factors');
  if (Array.isArray(rope.factors) && rope.factors.length !== headDim / 2) {
    refuse(`${headDim / 2} rope factors are needed`);
  }
}

function header(shape: Shape, vocabSize: number): [string, GgufInput][] {
  const { architecture, rope } = shape;
  const own: Record<string, GgufInput> = {
    vocab_size: { u32: vocabSize },
    context_length: { u32: shape.contextLength },
    embedding_length: { u32: shape.width },
    block_count: { u32: shape.layers },
    feed_forward_length: { u32: shape.feedForward },
    'attention.head_count': { u32: shape.heads },
    'attention.head_count_kv': { u32: shape.kvHeads },
    'attention.key_length': { u32: shape.headDim },
    'attention.value_length': { u32: shape.headDim },
    'attention.layer_norm_rms_epsilon': { f32: 1e-6 },
    'rope.dimension_count': { u32: shape.headDim },
    'rope.freq_base': { f32: rope.base ?? 10000 },
  };
  if (rope.scaling !== undefined) own['rope.scaling.type'] = rope.scaling;
  if (rope.scaling && rope.scaling !== 'none') {
    own['rope.scaling.factor'] = { f32: rope.factor ?? 4 };
  }
  if (rope.scaling === 'yarn') {
    const original = rope.originalContext ?? Math.ceil(shape.contextLength / 4);
    own['rope.scaling.original_context_length'] = { u32: original };
  }
  if (shape.window > 0) {
    own['attention.sliding_window'] = { u32: shape.window };
    const { windowPeriod } = shape;
    if (architecture === 'gemma3' && windowPeriod !== null) {
      own['attention.sliding_window_pattern'] =
        typeof windowPeriod === 'number' ? { u32: windowPeriod } : { booleans: windowPeriod };
    }
  }
  if (shape.logitSoftcap > 0) own['final_logit_softcapping'] = { f32: shape.logitSoftcap };
  return [
    ['general.architecture', architecture],
    ['general.name', `random ${architecture}`],
    ['general.quantization_version', { u32: 2 }],
    ...Object.entries(own).map(([key, value]): [string, GgufInput] => [
      `${architecture}.${key}`,
      value,
    ]),
  ];
}

function listTensors(ggml: Ggml, shape: Shape, vocabSize: number): TensorInput[] {
  const { architecture, feedForward, headDim, heads, kvHeads, width } = shape;
  const isGemma = architecture === 'gemma3';
  const hasHeadNorms = isGemma || architecture === 'qwen3';
  const all: TensorInput[] = [];
  const add = (name: string, type: number, dims: number[], deviation: number, mean = 0): void => {
    const seed = Math.imul(shape.seed, 0x85ebca6b) + all.length;
    all.push(randomTensor(ggml, seed, { name, type, shape: dims, deviation, mean }));
  };
  const matrix = (name: string, inputs: number, outputs: number, gain: number): void =>
    add(`${name}.weight`, shape.type, [inputs, outputs], gain / Math.sqrt(inputs));
  const norm = (name: string, length: number, mean = 1): void =>
    add(`${name}.weight`, GgmlType.F32, [length], 0.1 * mean, mean);
  const bias = (name: string, length: number, deviation: number): void => {
    if (shape.biases) add(`${name}.bias`, GgmlType.F32, [length], deviation);
  };

  // Normalised states times the embedding give the logits; Gemma scales what goes into the layers.
  const embedding = LOGITS / Math.sqrt(width);
  const share = Math.max(
    0.5,
    (LOGITS * Math.sqrt(width)) / OWN_LOGIT / Math.sqrt(2 * shape.layers),
  );
  const layer = share * (isGemma ? LOGITS : embedding);
  const score = Math.sqrt(SCORES);
  add('token_embd.weight', shape.type, [width, vocabSize], embedding);
  if (shape.rope.factors) all.push(ropeFactors(shape.rope.factors, headDim));
  for (let i = 0; i < shape.layers; i++) {
    const name = `blk.${i}`;
    norm(`${name}.attn_norm`, width);
    matrix(`${name}.attn_q`, width, heads * headDim, score);
    bias(`${name}.attn_q`, heads * headDim, 0.5);
    matrix(`${name}.attn_k`, width, kvHeads * headDim, score);
    bias(`${name}.attn_k`, kvHeads * headDim, 0.5);
    matrix(`${name}.attn_v`, width, kvHeads * headDim, 1);
    bias(`${name}.attn_v`, kvHeads * headDim, 0.2);
    if (hasHeadNorms) {
      norm(`${name}.attn_q_norm`, headDim, score);
      norm(`${name}.attn_k_norm`, headDim, score);
    }
    matrix(`${name}.attn_output`, heads * headDim, width, isGemma ? 1 : layer * 1.5);
    if (architecture === 'llama') bias(`${name}.attn_output`, width, 0.2 * layer);
    if (isGemma) norm(`${name}.post_attention_norm`, width, layer);
    norm(`${name}.ffn_norm`, width);
    matrix(`${name}.ffn_gate`, width, feedForward, 1.5);
    matrix(`${name}.ffn_up`, width, feedForward, 1);
    matrix(`${name}.ffn_down`, feedForward, width, isGemma ? 1 : layer);
    if (architecture === 'llama') {
      bias(`${name}.ffn_gate`, feedForward, 0.2);
      bias(`${name}.ffn_up`, feedForward, 0.2);
      bias(`${name}.ffn_down`, width, 0.2 * layer);
    }
    if (isGemma) norm(`${name}.post_ffw_norm`, width, layer);
  }
  norm('output_norm', width);
  if (!shape.tied) matrix('output', width, vocabSize, LOGITS);
  if (architecture === 'qwen2') bias('output', vocabSize, 0.5);
  return all;
}

/** Llama 3.1 leaves fast dimensions as they are and divides the slow ones by 8, with a ramp between. */
function ropeFactors(given: readonly number[] | true, headDim: number): TensorInput {
  const count = headDim / 2;
  const factors =
    given === true
      ? Float32Array.from({ length: count }, (_, i) =>
          Math.min(8, Math.max(1, 1 + (7 * (i - count / 3)) / (count / 3))),
        )
      : Float32Array.from(given);
  const bytes = new Uint8Array(factors.buffer);
  return {
    name: 'rope_freqs.weight',
    type: GgmlType.F32,
    shape: [count],
    bytes: bytes.length,
    parts: () => [bytes],
  };
}
