import { ModelFileError, UnsupportedArchitectureError } from '../../../lib/errors.js';
import type { GgufHeader } from '../gguf.js';
import { metadata } from '../hyperparameters.js';
import { type Ggml, GgmlType } from '../native/ggml.js';

/** How the vectors of a text's tokens become one: their mean, or that of the first token. */
export type PoolingKind = 'mean' | 'cls';

/** What the header of a BERT model says. */
export interface BertFile {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly feedForward: number;
  /** Tokens that it has positions for. */
  readonly positions: number;
  readonly vocabSize: number;
  /** Undefined where the file does not say. */
  readonly pooling: PoolingKind | undefined;
  /** Tokens that texts were cut to in training, where the file says. */
  readonly sequenceLength: number | undefined;
  readonly prefixes: { readonly query: string; readonly passage: string };
  readonly weightBytes: number;
}

/** What llama.cpp reads of a BERT model; with others, what it computes would not be what was checked here. */
const known: ReadonlySet<string> = new Set([
  'vocab_size',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'block_count',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.layer_norm_epsilon',
  'attention.causal',
  'pooling_type',
]);

/** Types that ggml has kernels for as weights. */
const matrixTypes: ReadonlySet<number> = new Set(
  Object.values(GgmlType).filter((type) => type !== GgmlType.I32 && type !== GgmlType.I64),
);

/**
 * Checks all that libllama relies on and answers by ending the process: sizes, and names, shapes, types and places of
 * the tensors.
 * @throws UnsupportedArchitectureError, ModelFileError
 */
export function describeBert(header: GgufHeader, ggml: Ggml, vocabSize: number): BertFile {
  const malformed = (detail: string): never => {
    throw new ModelFileError(header.path, detail);
  };
  const values = metadata(header, 'bert');
  for (const key of header.values.keys()) {
    const own = key.startsWith('bert.') ? key.slice(5) : undefined;
    if (own !== undefined && !known.has(own)) refuse(`its header has ${key}`);
  }
  const whole = (key: string, most: number): number => {
    const value = values.required(key);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    return malformed(`its bert.${key} is ${value}; 1 to ${most} are expected.`);
  };
  const layers = whole('block_count', 512);
  const width = whole('embedding_length', 1 << 16);
  const heads = whole('attention.head_count', 1 << 10);
  const feedForward = whole('feed_forward_length', 1 << 18);
  const positions = whole('context_length', 1 << 20);
  if (width % heads) malformed(`${heads} heads cannot share ${width} elements.`);
  if ((values.number('attention.head_count_kv') ?? heads) !== heads) refuse('shared key heads');
  if (values.boolean('attention.causal') !== false) refuse('attention that is causal');
  const epsilon = values.required('attention.layer_norm_epsilon');
  if (!(epsilon >= 0 && epsilon < 1)) malformed(`its layer norm's epsilon is ${epsilon}.`);
  const length = header.values.get('chunkweave.embedding.sequence_length');
  const prefix = (kind: string): string => {
    const text = header.values.get(`chunkweave.embedding.${kind}_prefix`);
    return typeof text === 'string' ? text : '';
  };
  const shape = { layers, width, feedForward, positions, vocabSize };
  return {
    ...shape,
    heads,
    pooling: poolingOf(values.number('pooling_type')),
    sequenceLength: typeof length === 'number' && length >= 3 ? Math.floor(length) : undefined,
    prefixes: { query: prefix('query'), passage: prefix('passage') },
    weightBytes: checkTensors(header, ggml, shape),
  };
}

function refuse(detail: string): never {
  throw new UnsupportedArchitectureError('bert', ['bert'], detail);
}

/** `enum llama_pooling_type`. */
function poolingOf(value: number | undefined): PoolingKind | undefined {
  switch (value) {
    case undefined:
    case 0:
      return undefined;
    case 1:
      return 'mean';
    case 2:
      return 'cls';
    case 4:
      return refuse('it ranks pairs of texts instead of embedding one');
    default:
      return refuse(`pooling of kind ${value}`);
  }
}

type Shape = Pick<BertFile, 'layers' | 'width' | 'feedForward' | 'positions' | 'vocabSize'>;

/** Returns the bytes of all tensors. */
function checkTensors(header: GgufHeader, ggml: Ggml, shape: Shape): number {
  const { layers, width, feedForward, positions, vocabSize } = shape;
  let total = 0;
  const want = (name: string, role: 'matrix' | 'singles', dims: readonly number[]): void => {
    const tensor = header.tensors.get(name);
    if (!tensor) throw new ModelFileError(header.path, `it lacks the tensor ${name}.`);
    const expected = trim(dims);
    if (tensor.shape.join() !== expected.join()) {
      throw new ModelFileError(
        header.path,
        `its tensor ${name} has the shape ${tensor.shape.join('x')} instead of ${expected.join('x')}.`,
      );
    }
    const isSound = role === 'matrix' ? matrixTypes.has(tensor.type) : tensor.type === GgmlType.F32;
    const [row = 1, ...others] = dims;
    if (!isSound || row % Number(ggml.blockSize(tensor.type))) {
      throw new ModelFileError(header.path, `its tensor ${name} is of type ${tensor.type}.`);
    }
    const bytes = others.reduce((a, b) => a * b, Number(ggml.rowSize(tensor.type, row)));
    if (tensor.offset + bytes > header.fileBytes) {
      throw new ModelFileError(
        header.path,
        `it ends at byte ${header.fileBytes}, before its tensor ${name} does. The copy is incomplete; download it again.`,
      );
    }
    total += bytes;
  };
  const norm = (name: string): void => {
    want(`${name}.weight`, 'singles', [width]);
    want(`${name}.bias`, 'singles', [width]);
  };
  const linear = (name: string, inputs: number, outputs: number): void => {
    want(`${name}.weight`, 'matrix', [inputs, outputs]);
    want(`${name}.bias`, 'singles', [outputs]);
  };
  want('token_embd.weight', 'matrix', [width, vocabSize]);
  want('position_embd.weight', 'singles', [width, positions]);
  const types = header.values.get('tokenizer.ggml.token_type_count');
  if (typeof types !== 'number' || !Number.isInteger(types) || types < 1) {
    throw new ModelFileError(header.path, 'its header lacks a sound number of token types.');
  }
  want('token_types.weight', 'singles', [width, types]);
  norm('token_embd_norm');
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string): string => `blk.${layer}.${name}`;
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) {
      linear(at(name), width, width);
    }
    norm(at('attn_output_norm'));
    linear(at('ffn_up'), width, feedForward);
    linear(at('ffn_down'), feedForward, width);
    norm(at('layer_output_norm'));
  }
  return total;
}

/** Headers are read without trailing dimensions of 1. */
function trim(dims: readonly number[]): number[] {
  const kept = [...dims];
  while (kept.length > 1 && kept.at(-1) === 1) kept.pop();
  return kept;
}
