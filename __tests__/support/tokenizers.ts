import type { EncodeOptions, TokenizedText, Tokenizer } from '../../lib/engine/tokenizer.js';

/**
 * Small tokenizers with the ways of real ones: tokens that carry their leading space, that join two bytes
 * across characters, that begin inside a character. Ids are given out as pieces are met.
 */
abstract class PieceTokenizer implements Tokenizer {
  abstract readonly fingerprint: string;
  readonly vocabSize = 1_000_000;
  readonly bos = -1;
  readonly eos = -1;
  readonly addBos = false;
  readonly #ids = new Map<string, number>();
  readonly #pieces: Uint8Array[] = [];

  /** Lengths in bytes of the tokens of `bytes`, the UTF-8 form of `text`. */
  protected abstract cut(text: string, bytes: Uint8Array): Iterable<number>;

  async encode(text: string, options: EncodeOptions = {}): Promise<TokenizedText> {
    options.signal?.throwIfAborted();
    const bytes = new TextEncoder().encode(text);
    // Text offset at which the character of each byte begins, -1 for bytes inside a character.
    const offsets = new Int32Array(bytes.length + 1).fill(-1);
    let byte = 0;
    for (let i = 0; i < text.length;) {
      offsets[byte] = i;
      const point = text.codePointAt(i) ?? 0;
      byte += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      i += point > 0xffff ? 2 : 1;
    }
    offsets[bytes.length] = text.length;
    const ids = new Int32Array(bytes.length);
    const starts = new Int32Array(bytes.length + 1);
    let count = 0;
    let at = 0;
    for (const length of this.cut(text, bytes)) {
      starts[count] = offsets[at] ?? -1;
      ids[count++] = this.#id(bytes.subarray(at, at + length));
      at += length;
    }
    if (at !== bytes.length) throw new Error(`cut ${at} of ${bytes.length} bytes`);
    starts[count] = text.length;
    return { ids: ids.slice(0, count), starts: starts.slice(0, count + 1) };
  }

  decode(tokens: ArrayLike<number>): string {
    const pieces = Array.from(tokens, (token) => this.bytes(token));
    const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(all);
  }

  bytes(token: number): Uint8Array {
    return this.#pieces[token] ?? new Uint8Array();
  }

  name(token: number): string {
    return this.decode([token]);
  }

  isEndOfGeneration(): boolean {
    return false;
  }

  isSpecial(): boolean {
    return false;
  }

  #id(piece: Uint8Array): number {
    const key = String.fromCharCode(...piece);
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#pieces.length;
      this.#ids.set(key, id);
      this.#pieces.push(piece.slice());
    }
    return id;
  }
}

class ByteTokenizer extends PieceTokenizer {
  readonly fingerprint: string;
  readonly #size: number;

  constructor(size: number) {
    super();
    this.#size = size;
    this.fingerprint = `test-bytes-${size}`;
  }

  protected *cut(_text: string, bytes: Uint8Array): Iterable<number> {
    const inside = (byte: number) => ((bytes[byte] ?? 0) & 0xc0) === 0x80;
    for (let start = 0; start < bytes.length;) {
      let end = Math.min(start + this.#size, bytes.length);
      // A token that began inside a character ends with it, or no border might ever come.
      for (let i = start + 1; inside(start) && i < end; i++) if (!inside(i)) end = i;
      yield end - start;
      start = end;
    }
  }
}

/** Every `size` bytes are a token, wherever characters and words begin. */
export function byteTokenizer(size = 2): Tokenizer {
  return new ByteTokenizer(size);
}

const pieces = / ?\p{L}{1,6}| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]{1,3}|\r?\n+|\s|[^]/gu;

class WordTokenizer extends PieceTokenizer {
  readonly fingerprint = 'test-words';

  protected *cut(text: string): Iterable<number> {
    const encoder = new TextEncoder();
    for (const [piece] of text.matchAll(pieces)) {
      const length = encoder.encode(piece).length;
      // Like a vocabulary that knows no emoji: characters beyond the BMP fall apart into bytes.
      if (/[\u{10000}-\u{10ffff}]/u.test(piece)) yield* Array.from({ length }, () => 1);
      else yield length;
    }
  }
}

/** Words of up to six letters with their leading space, numbers, signs; about four characters a token. */
export function wordTokenizer(): Tokenizer {
  return new WordTokenizer();
}
