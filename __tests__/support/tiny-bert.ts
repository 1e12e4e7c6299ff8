import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHalf } from '../../lib/engine/half.js';

/** A random BERT model in the form of sentence-transformers, and the same computed without any library. */
export interface TinyBert {
  readonly folder: string;
  readonly vocabulary: readonly string[];
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Ids of a text of lower-case words, the tokens around it included. */
  ids(text: string): number[];
  /** The vector of one text, of length 1; or the mean of some of its tokens, by number, that saw all. */
  embed(
    ids: readonly number[],
    pooling?: 'mean' | 'cls',
    own?: { readonly start: number; readonly end: number },
  ): number[];
}

export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface TinyBertOptions {
  readonly seed?: number;
  /** Type of the numbers in the safetensors file; default F32. */
  readonly stored?: 'F32' | 'F16' | 'BF16';
  readonly pooling?: 'mean' | 'cls';
  readonly sequenceLength?: number;
  readonly prompts?: Readonly<Record<string, string>>;
  /** Files to add or replace; null leaves one out. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** Put before all names of tensors. */
  readonly namePrefix?: string;
  readonly vocabularyFile?: 'tokenizer.json' | 'vocab.txt';
}

const width = 64;
const heads = 4;
const layers = 2;
const feedForward = 128;
const positions = 32;
const epsilon = 1e-12;

const letters = [...'abcdefghijklmnopqrstuvwxyz'];
const vocabulary = [
  '[PAD]',
  '[UNK]',
  '[CLS]',
  '[SEP]',
  '[MASK]',
  ...letters,
  ...letters.map((letter) => `##${letter}`),
  'the',
  'otter',
  'fish',
  '##ing',
  '##er',
  'query',
  'passage',
  ':',
  '.',
  ',',
  'river',
];

export async function writeTinyBert(
  folder: string,
  options: TinyBertOptions = {},
): Promise<TinyBert> {
  const { pooling = 'mean', seed = 1, stored = 'F32', namePrefix = '' } = options;
  const weights = randomWeights(seed);
  const json: Record<string, unknown> = {
    'config.json': {
      model_type: 'bert',
      hidden_act: 'gelu',
      hidden_size: width,
      num_attention_heads: heads,
      num_hidden_layers: layers,
      intermediate_size: feedForward,
      max_position_embeddings: positions,
      type_vocab_size: 2,
      layer_norm_eps: epsilon,
    },
    'modules.json': [
      { idx: 0, path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      { idx: 2, path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
    ],
    '1_Pooling/config.json': {
      word_embedding_dimension: width,
      pooling_mode_cls_token: pooling === 'cls',
      pooling_mode_mean_tokens: pooling === 'mean',
    },
    'sentence_bert_config.json': { max_seq_length: options.sequenceLength ?? positions },
    'tokenizer_config.json': { do_lower_case: true },
    ...(options.prompts && { 'config_sentence_transformers.json': { prompts: options.prompts } }),
    ...(options.vocabularyFile === 'vocab.txt'
      ? { 'vocab.txt': `${vocabulary.join('\n')}\n` }
      : { 'tokenizer.json': tokenizerJson() }),
    'model.safetensors': safetensorsOf(
      [...weights].map(([name, tensor]) => ({ name: namePrefix + name, ...tensor, type: stored })),
    ),
    ...options.files,
  };
  for (const [name, content] of Object.entries(json)) {
    if (content === null) continue;
    await mkdir(join(folder, name, '..'), { recursive: true });
    const isRaw = typeof content === 'string' || Buffer.isBuffer(content);
    await writeFile(join(folder, name), isRaw ? (content as string) : JSON.stringify(content));
  }
  return {
    folder,
    vocabulary,
    weights,
    ids: (text) => [2, ...text.split(' ').filter(Boolean).flatMap(piecesOf), 3],
    embed: (ids, kind = pooling, own = { start: 0, end: ids.length }) =>
      embed(weights, ids, kind, own),
  };
}

function tokenizerJson(): unknown {
  return {
    added_tokens: vocabulary.slice(0, 5).map((content, id) => ({ id, content, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
    },
  };
}

/** A safetensors file; types that are not given in the table are written as single bytes of 0. */
export function safetensorsOf(
  tensors: readonly {
    name: string;
    shape: readonly number[];
    values: Float32Array;
    type: string;
  }[],
): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const { name, shape, values, type } of tensors) {
    const bytes = bytesOf(values, type);
    header[name] = { dtype: type, shape, data_offsets: [at, at + bytes.length] };
    parts.push(bytes);
    at += bytes.length;
  }
  return rawSafetensors(JSON.stringify(header), Buffer.concat(parts));
}

export function rawSafetensors(header: string, data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

function bytesOf(values: Float32Array, type: string): Buffer {
  const copy = values.slice();
  if (type === 'F32') return Buffer.from(copy.buffer);
  if (type === 'F16') return Buffer.from(Uint16Array.from(copy, toHalf).buffer);
  if (type === 'BF16') {
    return Buffer.from(
      Uint16Array.from(new Uint32Array(copy.buffer), (bits) => bits >>> 16).buffer,
    );
  }
  return Buffer.alloc(values.length * 8);
}

function randomWeights(seed: number): Map<string, Tensor> {
  let state = (seed * 2654435761) >>> 0 || 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const weights = new Map<string, Tensor>();
  const add = (name: string, shape: number[], spread: number, mean = 0): void => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: count }, () => mean + spread * uniform());
    weights.set(name, { shape, values });
  };
  const norm = (name: string): void => {
    add(`${name}.LayerNorm.weight`, [width], 0.3, 1);
    add(`${name}.LayerNorm.bias`, [width], 0.3);
  };
  const linear = (name: string, inputs: number, outputs: number): void => {
    add(`${name}.weight`, [outputs, inputs], 2 / Math.sqrt(inputs));
    add(`${name}.bias`, [outputs], 0.3);
  };
  add('embeddings.word_embeddings.weight', [vocabulary.length, width], 1);
  add('embeddings.position_embeddings.weight', [positions, width], 0.5);
  add('embeddings.token_type_embeddings.weight', [2, width], 0.5);
  norm('embeddings');
  for (let layer = 0; layer < layers; layer++) {
    const at = `encoder.layer.${layer}`;
    for (const part of ['query', 'key', 'value']) {
      linear(`${at}.attention.self.${part}`, width, width);
    }
    linear(`${at}.attention.output.dense`, width, width);
    norm(`${at}.attention.output`);
    linear(`${at}.intermediate.dense`, width, feedForward);
    linear(`${at}.output.dense`, feedForward, width);
    norm(`${at}.output`);
  }
  return weights;
}

/** Greedy longest match (Wu et al. 2016, WordPiece). */
function piecesOf(word: string): number[] {
  const ids: number[] = [];
  for (let at = 0; at < word.length;) {
    let end = word.length;
    let id = -1;
    for (; end > at && id < 0; end--) {
      id = vocabulary.indexOf((at > 0 ? '##' : '') + word.slice(at, end));
    }
    if (id < 0) return [1];
    ids.push(id);
    at = end + 1;
  }
  return ids;
}

type Rows = number[][];

/** BERT's encoder (Devlin et al. 2019): post-norm, and GELU in the tanh form that ggml uses. */
function embed(
  weights: ReadonlyMap<string, Tensor>,
  ids: readonly number[],
  pooling: 'mean' | 'cls',
  own: { readonly start: number; readonly end: number },
): number[] {
  const values = (name: string): Float32Array => (weights.get(name) as Tensor).values;
  const row = (name: string, index: number): Float32Array =>
    values(name).subarray(index * width, (index + 1) * width);
  const norm = (x: Rows, name: string): Rows =>
    x.map((vector) => {
      const mean = vector.reduce((a, b) => a + b, 0) / width;
      const variance = vector.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
      const scale = 1 / Math.sqrt(variance + epsilon);
      const gain = values(`${name}.LayerNorm.weight`);
      const bias = values(`${name}.LayerNorm.bias`);
      return vector.map((value, i) => (value - mean) * scale * gain[i]! + bias[i]!);
    });
  const linear = (x: Rows, name: string, outputs: number): Rows => {
    const matrix = values(`${name}.weight`);
    const bias = values(`${name}.bias`);
    return x.map((vector) =>
      Array.from({ length: outputs }, (_, out) => {
        let sum = bias[out]!;
        for (let i = 0; i < vector.length; i++)
          sum += vector[i]! * matrix[out * vector.length + i]!;
        return sum;
      }),
    );
  };
  const add = (a: Rows, b: Rows): Rows => a.map((vector, t) => vector.map((v, i) => v + b[t]![i]!));
  let x: Rows = ids.map((id, position) =>
    Array.from(
      { length: width },
      (_, i) =>
        row('embeddings.word_embeddings.weight', id)[i]! +
        row('embeddings.position_embeddings.weight', position)[i]! +
        row('embeddings.token_type_embeddings.weight', 0)[i]!,
    ),
  );
  x = norm(x, 'embeddings');
  for (let layer = 0; layer < layers; layer++) {
    const at = `encoder.layer.${layer}`;
    const [q, k, v] = ['query', 'key', 'value'].map((part) =>
      linear(x, `${at}.attention.self.${part}`, width),
    ) as [Rows, Rows, Rows];
    const size = width / heads;
    const mixed = q.map((query) =>
      Array.from({ length: heads }, (_, head) => {
        const from = head * size;
        const scores = k.map((key) => {
          let sum = 0;
          for (let i = from; i < from + size; i++) sum += query[i]! * key[i]!;
          return sum / Math.sqrt(size);
        });
        const most = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - most));
        const total = shares.reduce((a, b) => a + b, 0);
        return Array.from({ length: size }, (_, i) =>
          v.reduce((sum, value, t) => sum + (shares[t]! / total) * value[from + i]!, 0),
        );
      }).flat(),
    );
    x = norm(
      add(linear(mixed, `${at}.attention.output.dense`, width), x),
      `${at}.attention.output`,
    );
    const inner = linear(x, `${at}.intermediate.dense`, feedForward).map((vector) =>
      vector.map(
        (u) => 0.5 * u * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u ** 3))),
      ),
    );
    x = norm(add(linear(inner, `${at}.output.dense`, width), x), `${at}.output`);
  }
  const counted = x.slice(own.start, own.end);
  const pooled =
    pooling === 'cls'
      ? x[0]!
      : x[0]!.map((_, i) => counted.reduce((sum, vector) => sum + vector[i]!, 0) / counted.length);
  const length = Math.hypot(...pooled);
  return pooled.map((value) => value / length);
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}
