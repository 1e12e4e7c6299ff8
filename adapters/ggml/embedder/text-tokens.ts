import { ModelFileError, TokenizerError } from '../../../lib/errors.js';
import { callAsync } from '../native/ggml.js';
import type { Llama } from '../native/llama.js';
import type { VocabPtr } from '../native/pointer.js';

/** UTF-16 units that are tokenised at once. */
const SLICE = 8192;
/** Texts up to this many units are tokenised in well under 1 ms: faster than asking the pool. */
const SHORT = 512;

/** libllama's WordPiece. */
export class TextTokens {
  /** The token before every text, and the one behind it. */
  readonly first: number;
  readonly last: number;
  readonly #llama: Llama;
  readonly #vocabulary: VocabPtr;

  /** @throws ModelFileError for a vocabulary without the tokens around a text. */
  constructor(llama: Llama, vocabulary: VocabPtr, path: string) {
    this.#llama = llama;
    this.#vocabulary = vocabulary;
    this.first = llama.bos(vocabulary);
    this.last = llama.sep(vocabulary);
    const size = llama.vocabSize(vocabulary);
    if (![this.first, this.last].every((id) => id >= 0 && id < size)) {
      throw new ModelFileError(path, 'its vocabulary lacks the tokens around a text.');
    }
  }

  /**
   * Tokens of a text without those around it. Names of special tokens in a text are plain text.
   * @param limit enough tokens: what lies behind them is not looked at.
   */
  async of(
    text: string,
    { limit = Number.POSITIVE_INFINITY, signal }: { limit?: number; signal?: AbortSignal } = {},
  ): Promise<Int32Array> {
    const parts: Int32Array[] = [];
    let count = 0;
    for (const slice of slices(text)) {
      signal?.throwIfAborted();
      const part = await this.#native(slice);
      parts.push(part);
      count += part.length;
      if (count >= limit) break;
    }
    const all = new Int32Array(count);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return count > limit ? all.slice(0, limit) : all;
  }

  async #native(text: string): Promise<Int32Array> {
    // A token stands for a byte at least.
    const bytes = Buffer.from(text);
    const tokens = new Int32Array(bytes.length + 8);
    const { tokenize } = this.#llama;
    const room = tokens.length;
    const args = [this.#vocabulary, bytes, bytes.length, tokens, room, false, false] as const;
    const count = text.length <= SHORT ? tokenize(...args) : await callAsync(tokenize, ...args);
    if (count < 0) throw new TokenizerError('llama.cpp gave more tokens than the text has bytes.');
    return tokens.subarray(0, count);
  }
}

/** Cuts a text behind white space, so that words stay whole; a run without any is cut between characters. */
function* slices(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + SLICE, text.length);
    if (end < text.length) {
      const space = lastSpace(text, at, end);
      if (space > at) end = space + 1;
      else if (isLowOfPair(text.charCodeAt(end))) end--;
    }
    yield text.slice(at, end);
    at = end;
  }
}

function lastSpace(text: string, from: number, to: number): number {
  for (let at = to - 1; at > from; at--) {
    const code = text.charCodeAt(at);
    if (code === 0x20 || (code >= 9 && code <= 13)) return at;
  }
  return -1;
}

const isLowOfPair = (code: number): boolean => (code & 0xfc00) === 0xdc00;
