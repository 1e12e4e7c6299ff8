import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { type GgufInput, writeGguf } from '../../gguf/writer.js';
import { bertTensors, vocabularyRows } from './bert-tensors.js';
import { openSafetensors } from './safetensors.js';
import { readSentenceModel, type SentenceModel, weightsFile } from './sentence-model.js';
import { fileTypeOf, type WeightType, weightTypes } from './weight-type.js';
import { readWordPieces, type WordPieces } from './word-pieces.js';

export interface ConvertOptions {
  /**
   * A sentence-transformers folder of a BERT model: config.json, model.safetensors, tokenizer.json or vocab.txt, and
   * where they are there modules.json, the pooling's config.json and sentence_bert_config.json.
   */
  readonly folder: string;
  /** The GGUF file to write. It is there in whole or as it was before. */
  readonly target: string;
  /** How matrices are stored. Default `f16`. */
  readonly type?: WeightType;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a GGUF file of a BERT model in the form of sentence-transformers, as llama.cpp and `loadEmbedder` of
 * `chunkweave/ggml` read it. The same folder gives the same bytes. Beside llama.cpp's keys it holds what those have no
 * place for: `chunkweave.embedding.sequence_length`, `.query_prefix` and `.passage_prefix`.
 * @throws InvalidArgumentError for an unknown type; ModelFileError, UnsupportedArchitectureError for what is no such
 * model, or the signal's reason.
 */
export async function convertSentenceTransformers(
  options: ConvertOptions,
): Promise<{ readonly bytes: number }> {
  const { folder, target, type = 'f16', signal } = options;
  if (!weightTypes.includes(type)) {
    throw new InvalidArgumentError(
      `Weights cannot be stored as "${String(type)}". Use ${weightTypes.join(', ')}.`,
    );
  }
  signal?.throwIfAborted();
  const model = await readSentenceModel(folder);
  await using stored = await openSafetensors(join(model.folder, weightsFile));
  const vocabulary = vocabularyRows(stored);
  const pieces = await readWordPieces(model.folder, vocabulary);
  const tensors = bertTensors(stored, model, vocabulary, type, signal);
  const beside = `${target}.${randomUUID()}.tmp`;
  try {
    const written = await writeGguf(beside, header(model, pieces, type), tensors);
    await rename(beside, target);
    return written;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

function header(
  model: SentenceModel,
  pieces: WordPieces,
  type: WeightType,
): ReadonlyMap<string, GgufInput> {
  const { ids } = pieces;
  const values = new Map<string, GgufInput>([
    ['general.architecture', 'bert'],
    ['general.type', 'model'],
    ['general.name', model.name],
    ['general.file_type', { u32: fileTypeOf(type) }],
    ['general.quantization_version', { u32: 2 }],
    ['bert.context_length', { u32: model.positions }],
    ['bert.embedding_length', { u32: model.width }],
    ['bert.feed_forward_length', { u32: model.feedForward }],
    ['bert.block_count', { u32: model.layers }],
    ['bert.attention.head_count', { u32: model.heads }],
    ['bert.attention.layer_norm_epsilon', { f32: model.normEpsilon }],
    ['bert.attention.causal', false],
    // `enum llama_pooling_type`.
    ['bert.pooling_type', { u32: model.pooling === 'mean' ? 1 : 2 }],
    ['chunkweave.embedding.sequence_length', { u32: model.sequenceLength }],
    ['chunkweave.embedding.query_prefix', model.prefixes.query],
    ['chunkweave.embedding.passage_prefix', model.prefixes.passage],
    ['tokenizer.ggml.model', 'bert'],
    // The name under which llama.cpp's own converter knows BERT's vocabulary; it has no effect on WordPiece.
    ['tokenizer.ggml.pre', 'jina-v2-en'],
    ['tokenizer.ggml.token_type_count', { u32: model.tokenTypes }],
    ['tokenizer.ggml.tokens', { strings: pieces.tokens }],
    ['tokenizer.ggml.token_type', { ints: pieces.kinds }],
    ['tokenizer.ggml.normalizer.lowercase', pieces.lowercase],
    ['tokenizer.ggml.normalizer.strip_accents', pieces.stripAccents],
    ['tokenizer.ggml.bos_token_id', { u32: ids.cls }],
    ['tokenizer.ggml.cls_token_id', { u32: ids.cls }],
    ['tokenizer.ggml.seperator_token_id', { u32: ids.sep }],
    ['tokenizer.ggml.unknown_token_id', { u32: ids.unk }],
  ]);
  if (ids.pad !== undefined) values.set('tokenizer.ggml.padding_token_id', { u32: ids.pad });
  if (ids.mask !== undefined) values.set('tokenizer.ggml.mask_token_id', { u32: ids.mask });
  return values;
}
