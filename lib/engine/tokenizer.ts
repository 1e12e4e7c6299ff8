/** Text to token ids and back. Document text never yields special tokens unless asked. */
export interface Tokenizer {
  /** Hash of vocabulary, merges and settings: equal hashes give equal ids. */
  readonly fingerprint: string;
  readonly vocabSize: number;
  /** Beginning-of-sequence token, or -1. */
  readonly bos: number;
  /** End-of-sequence token, or -1. */
  readonly eos: number;
  /** Whether the model file asks for BOS at the start of a prompt. */
  readonly addBos: boolean;

  /**
   * Tokenises `text`. Large texts are done in slices off the event loop. No BOS is added.
   * `special` (default false) lets the text of special tokens (`<|im_start|>`) become those tokens; only
   * for text that the application itself wrote.
   */
  encode(text: string, options?: EncodeOptions): Promise<TokenizedText>;
  /**
   * The text of `tokens`. Bytes that are no valid UTF-8 become U+FFFD. Special tokens are left out unless
   * `special` is set. `decode(encode(x).ids) === x.toWellFormed()`.
   */
  decode(tokens: ArrayLike<number>, options?: { special?: boolean }): string;
  /** The bytes that a token stands for; may be a part of a character. Empty for special tokens. */
  bytes(token: number): Uint8Array;
  /** The token's own name, for reports, special tokens included. */
  name(token: number): string;
  /** True for EOS, end-of-turn and their like: decoding ends there. */
  isEndOfGeneration(token: number): boolean;
  /** True for control and other special tokens, which never stand for text. */
  isSpecial(token: number): boolean;
}

/** See {@link Tokenizer.encode}. */
export interface EncodeOptions {
  readonly special?: boolean;
  readonly signal?: AbortSignal;
}

export interface TokenizedText {
  readonly ids: Int32Array;
  /**
   * Where each token begins in the text, in UTF-16 units, and at the end the text's length:
   * `ids.length + 1` entries. -1 where a token begins inside a character, so no border may fall there.
   */
  readonly starts: Int32Array;
}
