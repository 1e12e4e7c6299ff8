import { IndexFileError } from '../../errors.js';
import { wordSum } from '../../store/block-sums.js';

/*
 * A saved index is a signature and blocks: u32 kind, u32 length, so many bytes, u32 sum; all in the byte order of
 * little-endian machines. Each sum goes on from that of the block before, so blocks that are missing, repeated or
 * in another order are seen. A block of kind 0 ends it.
 */

export type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export interface Block {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

export const endKind = 0;
const signature = new TextEncoder().encode('cwvec\n\0\u0001');
const maxBlockBytes = 2 ** 30;
const headBytes = 8;
const sumBytes = 4;

/** Turns blocks into the bytes of a file, one after another. */
export class BlockWriter {
  #sum = 0;

  signature(): Uint8Array {
    return signature.slice();
  }

  block(kind: number, bytes: Uint8Array): Uint8Array {
    const piece = new Uint8Array(headBytes + bytes.byteLength + sumBytes);
    const view = new DataView(piece.buffer);
    view.setUint32(0, kind, true);
    view.setUint32(4, bytes.byteLength, true);
    piece.set(bytes, headBytes);
    this.#sum = nextSum(this.#sum, kind, bytes);
    view.setUint32(headBytes + bytes.byteLength, this.#sum, true);
    return piece;
  }
}

/** The blocks of a saved index, the last of which is of kind 0. @throws IndexFileError */
export async function* readBlocks(source: Bytes): AsyncGenerator<Block, void, void> {
  const reader = new PieceReader(source);
  try {
    const start = await reader.take(signature.byteLength, 'it is empty or cut short');
    if (start.some((byte, i) => byte !== signature[i])) {
      throw new IndexFileError('it is no index of vectors, or of another version');
    }
    let sum = 0;
    for (;;) {
      const head = viewOf(await reader.take(headBytes, 'it is cut short'));
      const kind = head.getUint32(0, true);
      const length = head.getUint32(4, true);
      // Memory is taken for what is there, not for what a damaged length asks for.
      if (length > maxBlockBytes) throw new IndexFileError('it is damaged');
      const bytes = await reader.take(length, 'it is cut short or damaged');
      sum = nextSum(sum, kind, bytes);
      const kept = viewOf(await reader.take(sumBytes, 'it is cut short')).getUint32(0, true);
      if (kept !== sum) throw new IndexFileError('a checksum does not hold');
      yield { kind, bytes };
      if (kind === endKind) break;
    }
    if (!(await reader.isAtEnd())) throw new IndexFileError('something follows its end');
  } finally {
    await reader.close();
  }
}

function nextSum(before: number, kind: number, bytes: Uint8Array): number {
  let sum = before;
  for (const word of [kind, bytes.byteLength, wordSum(bytes)]) {
    sum = Math.imul(sum ^ word, 0x9e3779b1);
    sum ^= sum >>> 15;
  }
  return sum >>> 0;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Gives bytes in other pieces than they come in. */
class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(source: Bytes) {
    this.#pieces = ArrayBuffer.isView(source)
      ? [source as Uint8Array].values()
      : Symbol.asyncIterator in source
        ? source[Symbol.asyncIterator]()
        : source[Symbol.iterator]();
  }

  async take(length: number, problem: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#piece.byteLength === 0 && !(await this.#next())) throw new IndexFileError(problem);
      const part = this.#piece.subarray(0, missing);
      this.#piece = this.#piece.subarray(part.byteLength);
      missing -= part.byteLength;
      parts.push(part);
    }
    const [first] = parts;
    if (first && parts.length === 1) return first;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return whole;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.byteLength === 0) if (!(await this.#next())) return true;
    return false;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#pieces.next();
    if (done) return false;
    if (!ArrayBuffer.isView(value)) throw new IndexFileError('it does not consist of bytes');
    // A Buffer would give views where an array gives copies.
    this.#piece = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return true;
  }
}
