import { DisposedError } from '../../lib/errors.js';
import type { Steps } from '../../lib/pace.js';
import type { Llama } from './native/llama.js';
import type { VocabPtr } from './native/pointer.js';

/** Tokens of one page: filled in well under 1 ms. */
const PAGE = 512;

interface Page {
  /** Bytes of all tokens of the page, one after another. */
  readonly bytes: Uint8Array;
  /** Where each token begins, and the end. */
  readonly offsets: Uint32Array;
  readonly ends: Uint8Array;
}

/** What tokens stand for, asked from libllama page by page when first wanted. */
export class TokenTable {
  readonly #llama: Llama;
  readonly #vocabulary: VocabPtr;
  readonly #size: number;
  readonly #pages: (Page | undefined)[] = [];
  #room = Buffer.alloc(256);
  #isClosed = false;

  constructor(llama: Llama, vocabulary: VocabPtr, size: number) {
    this.#llama = llama;
    this.#vocabulary = vocabulary;
    this.#size = size;
  }

  /** The bytes of a token, not to be changed; none for tokens that stand for no text. */
  bytes(token: number): Uint8Array {
    const { bytes, offsets } = this.#page(token);
    const at = token % PAGE;
    return bytes.subarray(offsets[at], offsets[at + 1]);
  }

  byteLength(token: number): number {
    const { offsets } = this.#page(token);
    const at = token % PAGE;
    return (offsets[at + 1] as number) - (offsets[at] as number);
  }

  isSpecial(token: number): boolean {
    return this.byteLength(token) === 0;
  }

  isEndOfGeneration(token: number): boolean {
    return this.#page(token).ends[token % PAGE] === 1;
  }

  /** Reads the pages of `tokens`, which the first text of many different tokens would else do at one go. */
  *prepare(tokens: Int32Array): Steps<void> {
    for (let i = 0; i < tokens.length; i++) {
      const index = Math.floor((tokens[i] as number) / PAGE);
      if (this.#pages[index]) continue;
      this.#pages[index] = this.#read(index * PAGE);
      yield i / tokens.length;
    }
  }

  /** The library was freed: only pages that were used stay known. */
  close(): void {
    this.#isClosed = true;
  }

  #page(token: number): Page {
    const index = Math.floor(token / PAGE);
    return (this.#pages[index] ??= this.#read(index * PAGE));
  }

  #read(first: number): Page {
    if (this.#isClosed) throw new DisposedError('tokenizer');
    const count = Math.min(PAGE, this.#size - first);
    const pieces: Uint8Array[] = [];
    const offsets = new Uint32Array(count + 1);
    const ends = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const piece = this.#piece(first + i);
      pieces.push(piece);
      offsets[i + 1] = (offsets[i] as number) + piece.length;
      ends[i] = this.#llama.isEndOfGeneration(this.#vocabulary, first + i) ? 1 : 0;
    }
    const bytes = new Uint8Array(offsets[count] as number);
    pieces.forEach((piece, i) => bytes.set(piece, offsets[i]));
    return { bytes, offsets, ends };
  }

  #piece(token: number): Uint8Array {
    const read = (): number =>
      this.#llama.tokenToPiece(this.#vocabulary, token, this.#room, this.#room.length, 0, false);
    let length = read();
    if (length < 0) {
      this.#room = Buffer.alloc(-length);
      length = read();
    }
    return Uint8Array.from(this.#room.subarray(0, Math.max(0, length)));
  }
}

/**
 * Finds where each token begins: its place in `text` in UTF-16 units, or -1 inside a character. A lone
 * surrogate counts as U+FFFD. Returns whether the tokens have exactly the text's bytes.
 */
export function locate(
  text: string,
  ids: Int32Array,
  table: TokenTable,
  starts: Int32Array,
): boolean {
  let unit = 0;
  /** Bytes of the text before `unit`, and before the token. */
  let passed = 0;
  let begin = 0;
  for (let i = 0; i < ids.length; i++) {
    while (passed < begin && unit < text.length) {
      const code = text.charCodeAt(unit++);
      if (code < 0x80) passed += 1;
      else if (code < 0x800) passed += 2;
      else if ((code & 0xfc00) === 0xd800 && (text.charCodeAt(unit) & 0xfc00) === 0xdc00) {
        passed += 4;
        unit++;
      } else passed += 3;
    }
    starts[i] = passed === begin ? unit : -1;
    begin += table.byteLength(ids[i] as number);
  }
  return begin === Buffer.byteLength(text);
}
