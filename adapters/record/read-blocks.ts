import { type ByteSource, uninitialised } from './byte-source.js';
import type { RecordLayout } from './header.js';

/** Bytes that are read at once. */
const pieceBytes = 2 ** 19;
/** Pieces that are being read while one is in use. */
const ahead = 2;

/** Layer blocks that stand one after another in a record. */
export interface Blocks {
  /** Number of the first, counted from the record's first. */
  readonly first: number;
  readonly count: number;
  /** As they are kept, each with its padding. */
  readonly bytes: Uint8Array;
}

export interface ReadBlocksOptions {
  /** Where they belong. Without it, what was given out is overwritten once more is asked for. */
  readonly target?: Uint8Array | undefined;
  /** The target holds them already. */
  readonly filled?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads `count` blocks from the one numbered `first` on, some at a time, and the next while those are in use. */
export async function* readBlocks(
  source: ByteSource,
  layout: RecordLayout,
  { first, count }: Pick<Blocks, 'first' | 'count'>,
  { target, filled = false, signal }: ReadBlocksOptions,
): AsyncGenerator<Blocks> {
  const { stride, dataOffset } = layout;
  const atOnce = Math.min(count, Math.max(1, Math.floor(pieceBytes / stride)));
  const pieces = Math.ceil(count / atOnce);
  const spare: Uint8Array[] = [];
  const start = (piece: number) => {
    const from = piece * atOnce;
    const blocks = Math.min(atOnce, count - from);
    const bytes = target
      ? target.subarray(from * stride, (from + blocks) * stride)
      : (spare[piece % (ahead + 1)] ??= uninitialised(atOnce * stride)).subarray(
          0,
          blocks * stride,
        );
    const at = dataOffset + (first + from) * stride;
    const done = filled ? Promise.resolve() : source.read(bytes, at, signal);
    // Whoever stops in the middle does not wait for it.
    done.catch(() => {});
    return { done, blocks: { first: first + from, count: blocks, bytes } };
  };
  const reading = Array.from({ length: Math.min(ahead, pieces) }, (_, piece) => start(piece));
  for (let piece = 0; piece < pieces; piece++) {
    const { done, blocks } = reading.shift() as ReturnType<typeof start>;
    if (piece + ahead < pieces) reading.push(start(piece + ahead));
    await done;
    yield blocks;
  }
}
