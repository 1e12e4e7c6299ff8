import type { FileHandle } from 'node:fs/promises';
import { BadRecord } from '../../record/bad-record.js';
import { alignedView, type ByteSource, uninitialised } from '../../record/byte-source.js';
import { pieceBytes, piecesAhead } from '../../record/pieces.js';

/** Fills `target` from byte `at` of a file on. @throws BadRecord where the file ends before */
export async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  at: number,
  signal?: AbortSignal,
): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(target, done, target.byteLength - done, at + done);
    if (bytesRead === 0) throw new BadRecord('it is cut short');
    done += bytesRead;
  }
}

/**
 * A whole file, read into one run of memory from its beginning to its end, as fast as it comes and before anyone asks.
 * For a record of which all is wanted: nothing waits for its preamble, and nothing is copied.
 */
export class ReadAhead implements ByteSource {
  readonly length: number;
  readonly #handle: FileHandle;
  readonly #bytes: Uint8Array;
  readonly #signal: AbortSignal | undefined;
  /** In order. Each begins to be read when the one so many before it has come. */
  readonly #pieces: { readonly end: number; readonly done: Promise<void> }[] = [];
  readonly #pieceBytes: number;
  #started = 0;
  #stopped = false;

  constructor(handle: FileHandle, length: number, signal?: AbortSignal) {
    this.length = length;
    this.#handle = handle;
    this.#bytes = uninitialised(length);
    this.#signal = signal;
    this.#pieceBytes = pieceBytes(length);
    for (let i = 0; i < piecesAhead; i++) this.#startNext();
  }

  async read(target: Uint8Array, at: number): Promise<void> {
    // Read anew: whoever has seen the bytes asks because they may have changed.
    await readFully(this.#handle, target, at, this.#signal);
  }

  view(at: number, length: number): Uint8Array | undefined {
    return alignedView(this.#bytes, at, length);
  }

  async arrive(end: number): Promise<void> {
    for (let i = 0; ; i++) {
      const piece = this.#pieces[i];
      if (!piece) throw new BadRecord('it is cut short');
      await piece.done;
      if (piece.end >= end) return;
    }
  }

  /** Nobody wants the rest. */
  stop(): void {
    this.#stopped = true;
  }

  #startNext(): void {
    const from = this.#started;
    if (from >= this.length || this.#stopped) return;
    const end = Math.min(this.length, from + this.#pieceBytes);
    this.#started = end;
    const reading = readFully(this.#handle, this.#bytes.subarray(from, end), from, this.#signal);
    const done = reading.then(() => this.#startNext());
    done.catch(() => {});
    this.#pieces.push({ end, done });
  }
}
