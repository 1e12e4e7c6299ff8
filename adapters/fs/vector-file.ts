import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { VectorIndexError } from '../../lib/errors.js';
import type { SavableVectorIndex, VectorCallOptions } from '../../lib/retrieve/vector-index.js';
import { PendingFile } from './store/pending-file.js';
import { systemCode } from './store/system-error.js';

export interface SaveVectorIndexOptions extends VectorCallOptions {
  /** Outlasts a loss of power once the call has resolved. Default true. */
  readonly durable?: boolean;
}

const pieceBytes = 2 ** 20;

/**
 * Saves an index to a file, as a whole or not at all: until all of it is written, and whenever that fails or is
 * aborted, what was there before stays. Folders that are missing are made.
 *
 * @throws VectorIndexError where the disk does not do it; the signal's reason.
 */
export async function saveVectorIndex(
  index: SavableVectorIndex,
  path: string,
  options: SaveVectorIndexOptions = {},
): Promise<void> {
  const { signal, durable = true } = options;
  signal?.throwIfAborted();
  await orIndexError(`save the vector index to ${path}`, async () => {
    const prepare = async (): Promise<void> => {
      await mkdir(dirname(path), { recursive: true });
    };
    const file = await PendingFile.create(path, prepare, { durable });
    try {
      let at = 0;
      for await (const piece of index.toBytes({ signal })) {
        await file.write(piece, at);
        at += piece.byteLength;
      }
      await file.finish();
      signal?.throwIfAborted();
      await file.move();
    } catch (error) {
      await file.discard();
      throw error;
    }
    await file.settled();
  });
}

/**
 * The bytes of a saved index, for `restoreFlatIndex` or `restoreHnswIndex`.
 *
 * @throws VectorIndexError where the file is not there or cannot be read.
 */
export async function* readVectorIndex(path: string): AsyncGenerator<Uint8Array, void, void> {
  const what = `read the vector index ${path}`;
  const handle = await orIndexError(what, () => open(path, 'r'));
  try {
    for (;;) {
      // Given away, so never used again.
      const piece = new Uint8Array(pieceBytes);
      const { bytesRead } = await orIndexError(what, () => handle.read(piece, 0, pieceBytes));
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function orIndexError<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (systemCode(cause) === undefined) throw cause;
    throw new VectorIndexError(`Cannot ${what}: ${(cause as Error).message}.`, { cause });
  }
}
