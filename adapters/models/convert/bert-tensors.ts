import { ModelFileError } from '../../../lib/errors.js';
import type { TensorInput } from '../../gguf/writer.js';
import type { Safetensors, StoredTensor } from './safetensors.js';
import type { SentenceModel } from './sentence-model.js';
import { canHold, encodeRows, ggmlTypeOf, rowBytes, type WeightType } from './weight-type.js';

/** Weights that are read and encoded at once. */
const PART = 1 << 16;

interface Wanted {
  /** Name in a file of Hugging Face's BERT. */
  readonly from: string;
  /** llama.cpp's. */
  readonly to: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  readonly type: WeightType;
}

/**
 * The tensors of a BERT model under llama.cpp's names, matrices in the given type. Norms, biases, positions and token
 * types stay singles, as llama.cpp adds them to singles.
 * @throws ModelFileError for a tensor that is missing, misshapen or of no float type; when it is read, for a weight that
 * the type cannot hold.
 */
export function bertTensors(
  stored: Safetensors,
  model: SentenceModel,
  vocabulary: number,
  type: WeightType,
  signal: AbortSignal | undefined,
): TensorInput[] {
  const find = finder(stored);
  return [...listWanted(model, vocabulary, type)].map((wanted) => {
    const tensor = find(wanted.from);
    if (tensor.shape.join() !== wanted.shape.join()) {
      throw new ModelFileError(
        stored.path,
        `its tensor ${tensor.name} has the shape [${tensor.shape.join(', ')}] instead of [${wanted.shape.join(', ')}].`,
      );
    }
    return encoded(stored, tensor, wanted, signal);
  });
}

/** Rows of the table of tokens, which the vocabulary is to fit. @throws ModelFileError */
export function vocabularyRows(stored: Safetensors): number {
  const { name, shape } = finder(stored)('embeddings.word_embeddings.weight');
  const [rows = 0] = shape;
  if (shape.length === 2 && rows >= 1 && rows <= 1 << 24) return rows;
  throw new ModelFileError(stored.path, `its tensor ${name} is no table of tokens.`);
}

/** Some files put `bert.` before all names, and the oldest ones call a norm's weight gamma and its bias beta. */
function finder(stored: Safetensors): (name: string) => StoredTensor {
  return (name) => {
    const old = name
      .replace(/LayerNorm\.weight$/, 'LayerNorm.gamma')
      .replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
    for (const candidate of [name, `bert.${name}`, old, `bert.${old}`]) {
      const tensor = stored.tensors.get(candidate);
      if (!tensor) continue;
      if (['F32', 'F16', 'BF16'].includes(tensor.type)) return tensor;
      throw new ModelFileError(
        stored.path,
        `its tensor ${candidate} is of type ${tensor.type}; F32, F16 and BF16 can be converted.`,
      );
    }
    throw new ModelFileError(stored.path, `it lacks the tensor ${name}.`);
  };
}

function* listWanted(
  { layers, width, feedForward, positions, tokenTypes }: SentenceModel,
  vocabulary: number,
  type: WeightType,
): Generator<Wanted> {
  const embeddings = 'embeddings.';
  const table = (from: string, to: string, rows: number, kept: WeightType): Wanted => ({
    from: `${embeddings}${from}.weight`,
    to: `${to}.weight`,
    shape: [rows, width],
    type: kept,
  });
  yield table('word_embeddings', 'token_embd', vocabulary, type);
  yield table('position_embeddings', 'position_embd', positions, 'f32');
  yield table('token_type_embeddings', 'token_types', tokenTypes, 'f32');
  yield* norm(`${embeddings}LayerNorm`, 'token_embd_norm');
  for (let layer = 0; layer < layers; layer++) {
    const from = `encoder.layer.${layer}`;
    const to = `blk.${layer}`;
    yield* linear(`${from}.attention.self.query`, `${to}.attn_q`, width, width);
    yield* linear(`${from}.attention.self.key`, `${to}.attn_k`, width, width);
    yield* linear(`${from}.attention.self.value`, `${to}.attn_v`, width, width);
    yield* linear(`${from}.attention.output.dense`, `${to}.attn_output`, width, width);
    yield* norm(`${from}.attention.output.LayerNorm`, `${to}.attn_output_norm`);
    yield* linear(`${from}.intermediate.dense`, `${to}.ffn_up`, width, feedForward);
    yield* linear(`${from}.output.dense`, `${to}.ffn_down`, feedForward, width);
    yield* norm(`${from}.output.LayerNorm`, `${to}.layer_output_norm`);
  }

  function* norm(from: string, to: string): Generator<Wanted> {
    for (const part of ['weight', 'bias']) {
      yield { from: `${from}.${part}`, to: `${to}.${part}`, shape: [width], type: 'f32' };
    }
  }
  function* linear(from: string, to: string, inputs: number, outputs: number): Generator<Wanted> {
    yield { from: `${from}.weight`, to: `${to}.weight`, shape: [outputs, inputs], type };
    yield { from: `${from}.bias`, to: `${to}.bias`, shape: [outputs], type: 'f32' };
  }
}

function encoded(
  stored: Safetensors,
  tensor: StoredTensor,
  { to, type, shape }: Wanted,
  signal: AbortSignal | undefined,
): TensorInput {
  const width = shape.at(-1) as number;
  const bytes = rowBytes(type, width);
  if (bytes === undefined) {
    throw new ModelFileError(
      stored.path,
      `rows of ${width} weights (${tensor.name}) do not fit ${type}. Convert it to f16.`,
    );
  }
  const rows = tensor.elements / width;
  return {
    name: to,
    type: ggmlTypeOf(type),
    shape: shape.toReversed(),
    bytes: rows * bytes,
    async *parts() {
      const most = Math.max(1, Math.floor(PART / width));
      for (let row = 0; row < rows; row += most) {
        signal?.throwIfAborted();
        const count = Math.min(most, rows - row);
        const values = await stored.floats(tensor, row * width, count * width);
        if (!canHold(type, values)) {
          throw new ModelFileError(
            stored.path,
            `its tensor ${tensor.name} holds a weight that ${type} cannot hold.`,
          );
        }
        yield encodeRows(type, values);
      }
    },
  };
}
