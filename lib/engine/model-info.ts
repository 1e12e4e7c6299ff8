/** What a model is, as far as planning, keys and reports need it. */
export interface ModelInfo {
  /** Name from the model file, or the file's name. */
  readonly name: string;
  /** Architecture as GGUF names it, for example `llama` or `gemma3`. */
  readonly architecture: string;
  /**
   * Hexadecimal hash that changes when weights, tokenizer or RoPE settings change. KV of one fingerprint
   * is never used under another.
   */
  readonly fingerprint: string;
  /** Number of transformer layers. */
  readonly layers: number;
  /** Width of the residual stream. */
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Number of tokens in the vocabulary, the length of a row of logits. */
  readonly vocabSize: number;
  /** Tokens that the model was trained to see at once. */
  readonly contextLength: number;
  /** Keys and values of one token in one layer. */
  readonly kv: KvLayout;
  /**
   * Layers with full (not sliding-window) attention in the middle to late part of the model, ascending: the default of
   * attention probes.
   */
  readonly probeLayers: readonly number[];
  /** Tokens that a sliding-window layer sees, itself included; 0 where the model has none. */
  readonly slidingWindow: number;
  /** Number of weights. */
  readonly parameters: number;
  /** What a person should know, for example "a window is in the file but llama.cpp ignores it". */
  readonly notes: readonly string[];
}

/** Shape of chunk KV: `tokens x keyWidth` keys, then `tokens x valueWidth` values, for each layer. */
export interface KvLayout {
  readonly layers: number;
  /** Elements of all key heads of one token in one layer. */
  readonly keyWidth: number;
  /** Elements of all value heads of one token in one layer. */
  readonly valueWidth: number;
  /** Type of an element. */
  readonly type: KvType;
}

/** Element type of keys and values: IEEE half precision, 2 bytes. */
export type KvType = 'f16';

/** Bytes that one token takes over all layers. */
export function kvBytesPerToken(layout: KvLayout): number {
  return layout.layers * (layout.keyWidth + layout.valueWidth) * 2;
}
