import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VectorIndexError } from '../../lib/errors.js';

const headBytes = 96;
const pieceBytes = 2 ** 20;

/** A place for a file, since the native part reads and writes nothing else. It is gone once it is disposed of. */
export async function temporaryFile(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'chunkweave-graph-')).catch((cause: unknown) => {
    throw new VectorIndexError(
      `No temporary folder for the graph of the vector index could be made in ${tmpdir()}.`,
      { cause },
    );
  });
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { path: join(folder, 'graph'), [Symbol.asyncDispose]: remove };
}

/**
 * Whether a file of the native part holds as many vectors as it should: it neither tells of a failed write nor minds
 * every kind of damage.
 * @throws VectorIndexError
 */
export async function checkGraphFile(path: string, count: number): Promise<void> {
  const problem = await problemOf(path, count).catch((error: Error) => error.message);
  if (problem !== undefined) {
    throw new VectorIndexError(
      `The graph of the vector index in ${path} is not whole: ${problem}.`,
    );
  }
}

async function problemOf(path: string, count: number): Promise<string | undefined> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const head = new BigUint64Array(headBytes / 8);
    const { bytesRead } = await handle.read(head, 0, headBytes);
    if (bytesRead < headBytes) return 'it is cut short';
    // Where a vector's data begin, the room, the number of vectors, and the bytes of each.
    const [, , vectors, bytesEach] = [...head].map(Number) as [number, number, number, number];
    if (vectors !== count) return `it holds ${vectors} vectors instead of ${count}`;
    // Each has a word more, for the levels above.
    if (size < headBytes + count * (bytesEach + 4)) return 'it is cut short';
    return undefined;
  } finally {
    await handle.close();
  }
}

export async function* piecesOf(path: string): AsyncGenerator<Uint8Array, void, void> {
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const piece = new Uint8Array(pieceBytes);
      const { bytesRead } = await handle.read(piece, 0, pieceBytes);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
