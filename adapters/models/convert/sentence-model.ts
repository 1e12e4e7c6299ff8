import { join } from 'node:path';
import { ModelFileError, UnsupportedArchitectureError } from '../../../lib/errors.js';
import { isObject, type JsonObject, readJson, readObject } from './json-file.js';

/** What the configuration files of a sentence-transformers folder say of its model. */
export interface SentenceModel {
  /** Folder of the transformer itself. */
  readonly folder: string;
  readonly name: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly feedForward: number;
  /** Rows of the table of positions. */
  readonly positions: number;
  /** Rows of the table of token types. */
  readonly tokenTypes: number;
  readonly normEpsilon: number;
  readonly pooling: 'mean' | 'cls';
  /** Tokens that a text is cut to, the two around it included. */
  readonly sequenceLength: number;
  /** What is put before texts. */
  readonly prefixes: { readonly query: string; readonly passage: string };
}

/** Files that a folder may hold beside the weights. All that is read lies in it or one folder below. */
export const transformerFile = 'config.json';
export const weightsFile = 'model.safetensors';

/**
 * Reads the configuration of a sentence-transformers folder, or of a plain folder of a BERT model, which
 * sentence-transformers takes as mean pooling.
 * @throws ModelFileError for what is missing or malformed, or is more than a transformer and pooling.
 * @throws UnsupportedArchitectureError unless it is BERT.
 */
export async function readSentenceModel(root: string): Promise<SentenceModel> {
  const modules = await readModules(join(root, 'modules.json'));
  const folder = join(root, modules.transformer);
  const path = join(folder, transformerFile);
  const config = await readObject(path);
  if (!config) throw new ModelFileError(path, 'there is no such file. Give the folder of a model.');
  const { model_type: type } = config;
  if (type !== 'bert') {
    throw new UnsupportedArchitectureError(typeof type === 'string' ? type : 'unknown', ['bert']);
  }
  // What llama.cpp computes for BERT.
  expectOrAbsent(path, config, 'hidden_act', 'gelu');
  expectOrAbsent(path, config, 'position_embedding_type', 'absolute');
  expectOrAbsent(path, config, 'is_decoder', false);
  const whole = (key: string, most: number): number => {
    const value = config[key];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) {
      return value;
    }
    throw new ModelFileError(path, `its ${key} is ${String(value)}; 1 to ${most} are expected.`);
  };
  const width = whole('hidden_size', 1 << 16);
  const heads = whole('num_attention_heads', 1 << 10);
  if (width % heads)
    throw new ModelFileError(path, `${heads} heads cannot share ${width} elements.`);
  const normEpsilon = config['layer_norm_eps'] ?? 1e-12;
  if (typeof normEpsilon !== 'number' || !(normEpsilon >= 0 && normEpsilon < 1)) {
    throw new ModelFileError(path, `its layer_norm_eps is ${String(normEpsilon)}.`);
  }
  const positions = whole('max_position_embeddings', 1 << 20);
  return {
    folder,
    name: nameOf(config),
    layers: whole('num_hidden_layers', 512),
    width,
    heads,
    feedForward: whole('intermediate_size', 1 << 18),
    positions,
    tokenTypes: whole('type_vocab_size', 1 << 10),
    normEpsilon,
    pooling: await readPooling(root, modules.pooling),
    sequenceLength: Math.min(positions, await readSequenceLength(folder)),
    prefixes: await readPrompts(join(root, 'config_sentence_transformers.json')),
  };
}

function expectOrAbsent(path: string, config: JsonObject, key: string, expected: unknown): void {
  const value = config[key] ?? expected;
  if (value === expected) return;
  throw new ModelFileError(
    path,
    `its ${key} is ${JSON.stringify(value)}; only ${JSON.stringify(expected)} can be converted.`,
  );
}

function nameOf(config: JsonObject): string {
  const name = config['_name_or_path'];
  return typeof name === 'string' && /^[\w./-]{1,200}$/.test(name) ? name : 'bert';
}

interface Modules {
  readonly transformer: string;
  readonly pooling: string | undefined;
}

async function readModules(path: string): Promise<Modules> {
  const list = await readJson(path);
  if (list === undefined) return { transformer: '', pooling: undefined };
  if (!Array.isArray(list)) throw new ModelFileError(path, 'it is no list of modules.');
  const folders = new Map<string, string>();
  for (const item of list as unknown[]) {
    const { type, path: folder } = isObject(item) ? item : {};
    const kind = typeof type === 'string' ? (type.split('.').at(-1) as string) : 'unknown';
    if (!['Transformer', 'Pooling', 'Normalize'].includes(kind) || folders.has(kind)) {
      throw new ModelFileError(
        path,
        `its module "${kind}" cannot be converted; one transformer, pooling and normalisation can.`,
      );
    }
    if (typeof folder !== 'string' || !/^(?:\w[\w.-]*)?$/.test(folder)) {
      throw new ModelFileError(path, `its module "${kind}" names no plain folder.`);
    }
    folders.set(kind, folder);
  }
  const transformer = folders.get('Transformer');
  if (transformer === undefined) throw new ModelFileError(path, 'it names no transformer.');
  return { transformer, pooling: folders.get('Pooling') };
}

async function readPooling(root: string, folder: string | undefined): Promise<'mean' | 'cls'> {
  if (folder === undefined) return 'mean';
  const path = join(root, folder, 'config.json');
  const config = await readObject(path);
  if (!config)
    throw new ModelFileError(path, 'there is no such file, though modules.json names it.');
  const prefix = 'pooling_mode_';
  const modes =
    typeof config['pooling_mode'] === 'string'
      ? [config['pooling_mode']]
      : Object.entries(config)
          .filter(([key, value]) => key.startsWith(prefix) && value === true)
          .map(([key]) => key.slice(prefix.length));
  const [mode] = modes;
  if (modes.length === 1 && config['include_prompt'] !== false) {
    if (mode === 'mean_tokens' || mode === 'mean') return 'mean';
    if (mode === 'cls_token' || mode === 'cls') return 'cls';
  }
  throw new ModelFileError(
    path,
    `its pooling (${modes.join(' and ') || 'none'}) cannot be converted; the mean of all tokens and the CLS token can.`,
  );
}

async function readSequenceLength(folder: string): Promise<number> {
  for (const [file, key] of [
    ['sentence_bert_config.json', 'max_seq_length'],
    ['tokenizer_config.json', 'model_max_length'],
  ] as const) {
    const value = (await readObject(join(folder, file)))?.[key];
    if (value === undefined || value === null) continue;
    // Some files say 10^30 for "no limit".
    if (typeof value === 'number' && value >= 3) return Math.floor(value);
    throw new ModelFileError(join(folder, file), `its ${key} is ${JSON.stringify(value)}.`);
  }
  return Number.POSITIVE_INFINITY;
}

async function readPrompts(path: string): Promise<SentenceModel['prefixes']> {
  const prompts = (await readObject(path))?.['prompts'];
  const text = (...names: string[]): string => {
    const found = names.map((name) => (isObject(prompts) ? prompts[name] : undefined));
    return found.find((value): value is string => typeof value === 'string') ?? '';
  };
  return { query: text('query'), passage: text('passage', 'document') };
}
