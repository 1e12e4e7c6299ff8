/** A call to the disk has a cost of its own, whatever its size: pieces are about as large as this at least. */
const leastBytes = 2 ** 19;
/** Nor much larger than this, so that checking one takes no longer than the event loop can wait. */
const mostBytes = 2 ** 21;

/**
 * Bytes to read or write at once, of so many: few calls, but enough of them that one piece is checked while the next
 * is under way; all of about the same size.
 */
export function pieceBytes(total: number): number {
  const wanted = Math.min(mostBytes, Math.max(leastBytes, total / 4));
  return Math.ceil(total / Math.max(1, Math.round(total / wanted)));
}

/** Pieces that are read while one is being checked. */
export const piecesAhead = 3;
