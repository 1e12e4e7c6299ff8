import { type ByteSource, uninitialised } from './byte-source.js';
import type { RecordLayout } from './header.js';
import { pieceBytes, piecesAhead } from './pieces.js';

/** Layer blocks that stand one after another in a record. */
export interface Blocks {
  /** Number of the first, counted from the record's first. */
  readonly first: number;
  readonly count: number;
  /** As they are kept, each with its padding. */
  readonly bytes: Uint8Array;
}

export interface ReadBlocksOptions {
  /** Where they belong: this memory, or memory of its own for each piece, or any, to be used again and again. */
  readonly target: Uint8Array | 'own' | 'any';
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads `count` blocks from the one numbered `first` on, some at a time, and the next while those are in use. Where
 * the source shows its memory, they are given out in that.
 */
export async function* readBlocks(
  source: ByteSource,
  layout: RecordLayout,
  { first, count }: Pick<Blocks, 'first' | 'count'>,
  { target, signal }: ReadBlocksOptions,
): AsyncGenerator<Blocks> {
  const { stride, dataOffset } = layout;
  const atOnce = Math.max(1, Math.ceil(pieceBytes(count * stride) / stride));
  const pieces = Math.ceil(count / atOnce);
  const memory = memoryFor(target, Math.min(count, atOnce) * stride);
  const start = (piece: number) => {
    const from = piece * atOnce;
    const blocks = Math.min(atOnce, count - from);
    const at = dataOffset + (first + from) * stride;
    const there = source.view?.(at, blocks * stride);
    const bytes = there ?? memory(piece, blocks * stride);
    const done = there
      ? (source.arrive?.(at + blocks * stride) ?? Promise.resolve())
      : source.read(bytes, at, signal);
    // Whoever stops in the middle does not wait for it.
    done.catch(() => {});
    return { done, blocks: { first: first + from, count: blocks, bytes } };
  };
  const reading = Array.from({ length: Math.min(piecesAhead, pieces) }, (_, piece) => start(piece));
  for (let piece = 0; piece < pieces; piece++) {
    const { done, blocks } = reading.shift() as ReturnType<typeof start>;
    await done;
    if (piece + piecesAhead < pieces) reading.push(start(piece + piecesAhead));
    yield blocks;
  }
}

/** Gives memory for the pieces, each but the last of `size` bytes. */
function memoryFor(target: ReadBlocksOptions['target'], size: number) {
  // One is in use while the others are being read.
  const spare: Uint8Array[] = [];
  return (piece: number, bytes: number): Uint8Array => {
    if (target === 'own') return uninitialised(bytes);
    if (target !== 'any') return target.subarray(piece * size, piece * size + bytes);
    const memory = (spare[piece % (piecesAhead + 1)] ??= uninitialised(size));
    return memory.subarray(0, bytes);
  };
}
