import { ModelFileError } from '../../lib/errors.js';
import type { GgufHeader, GgufValue } from './gguf.js';

/** Typed look-up of a model file's values, with the architecture's prefix. */
export interface Metadata {
  string(key: string): string | undefined;
  number(key: string): number | undefined;
  boolean(key: string): boolean | undefined;
  /** A number for each layer, from a scalar or an array of that length. */
  perLayer(key: string, layers: number): number[] | undefined;
  /** @throws ModelFileError when it is missing. */
  required(key: string): number;
}

/** Looks keys up as `<architecture>.<key>`, or as they are when they hold `general.` or `tokenizer.`. */
export function metadata(header: GgufHeader, architecture: string): Metadata {
  const get = (key: string): GgufValue | undefined =>
    header.values.get(/^(general|tokenizer)\./.test(key) ? key : `${architecture}.${key}`);
  const number = (key: string): number | undefined => {
    const value = get(key);
    return typeof value === 'number' ? value : undefined;
  };
  return {
    number,
    string: (key) => {
      const value = get(key);
      return typeof value === 'string' ? value : undefined;
    },
    boolean: (key) => {
      const value = get(key);
      return typeof value === 'boolean' ? value : undefined;
    },
    perLayer: (key, layers) => {
      const value = get(key);
      if (typeof value === 'number') return Array.from({ length: layers }, () => value);
      if (!Array.isArray(value)) return undefined;
      if (value.length < layers) {
        throw new ModelFileError(header.path, `its value ${key} names fewer layers than it has.`);
      }
      return value.slice(0, layers).map(Number);
    },
    required: (key) => {
      const value = number(key);
      if (value === undefined) {
        throw new ModelFileError(header.path, `its header lacks ${architecture}.${key}.`);
      }
      return value;
    },
  };
}

/** RoPE of one kind of layer, in ggml's terms. */
export interface Rope {
  readonly base: number;
  /** Frequency scale: 1 over the context scaling factor. */
  readonly scale: number;
}

/** Everything the graph builder needs to know of a model, apart from its weights. */
export interface Hyperparameters {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Elements of one head; keys and values have the same. */
  readonly headDim: number;
  readonly feedForward: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly normEps: number;
  readonly rope: {
    readonly dims: number;
    /** 0: consecutive pairs; 2: NeoX halves. */
    readonly mode: 0 | 2;
    readonly full: Rope;
    /** RoPE of sliding-window layers. */
    readonly sliding: Rope;
    readonly originalContext: number;
    /** 1 under YaRN, else 0. */
    readonly extFactor: number;
    readonly attnFactor: number;
    readonly betaFast: number;
    readonly betaSlow: number;
  };
  /** Factor of the attention scores. */
  readonly attentionScale: number;
  /** Whether the scale goes onto the queries, as some models were trained, rather than onto the scores. */
  readonly scaleQueries: boolean;
  /** Tokens that a sliding layer sees, itself included; 0 for none. */
  readonly window: number;
  /** For each layer, whether it is a sliding-window layer. */
  readonly slidingLayers: readonly boolean[];
  readonly attentionSoftcap: number;
  readonly logitSoftcap: number;
  readonly embeddingScale: number;
  readonly notes: readonly string[];
}

/** What a rotated key's length is multiplied by: 1 unless YaRN's attention factor is set. */
export function ropeMagnitude(rope: Hyperparameters['rope'], layer: Rope): number {
  const yarn = rope.extFactor === 0 ? 1 : 1 + 0.1 * Math.log(1 / layer.scale);
  return rope.attnFactor * yarn;
}
