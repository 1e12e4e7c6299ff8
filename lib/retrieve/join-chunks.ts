import { contentHash, documentPart } from '../chunkers/chunk-id.js';
import type { Chunk, TokenizedDocument } from '../document.js';

/**
 * Tokens of chunks of one document as one span; undefined where that span is not known: something stands between two of
 * them, and the document is not at hand.
 *
 * @param run by where they begin, not empty
 */
export function joinedTokens(
  run: readonly Chunk[],
  document: TokenizedDocument | undefined,
): number | undefined {
  const isKnown = document
    ? run.every((chunk) => document.text.startsWith(chunk.text, chunk.start))
    : run.every((chunk, i) => i === 0 || touches(run[i - 1] as Chunk, chunk));
  return isKnown ? tokenEndOf(run) - (run[0] as Chunk).tokenStart : undefined;
}

/**
 * Chunks as one: the exact span from the first to the last, its tokens those of the document. The metadata are those of the
 * first. One chunk stays what it is.
 *
 * @param run for which {@link joinedTokens} knows the span
 */
export function joinChunks(run: readonly Chunk[], document: TokenizedDocument | undefined): Chunk {
  const first = run[0] as Chunk;
  if (run.length === 1) return first;
  const { documentId, start, tokenStart, metadata } = first;
  const end = Math.max(...run.map((chunk) => chunk.end));
  const tokenEnd = tokenEndOf(run);
  const text = document ? document.text.slice(start, end) : textOf(run);
  return {
    id: `${documentPart(documentId)}#${contentHash(text)}@${start}`,
    documentId,
    start,
    end,
    text,
    tokens: document ? document.tokens.ids.slice(tokenStart, tokenEnd) : tokensOf(run, tokenEnd),
    tokenStart,
    ...(metadata && { metadata }),
  };
}

/** Whether a chunk begins where the one before it ends, or within it. */
function touches(a: Chunk, b: Chunk): boolean {
  return b.start <= a.end && b.tokenStart <= a.tokenStart + a.tokens.length;
}

function tokenEndOf(run: readonly Chunk[]): number {
  return Math.max(...run.map(({ tokenStart, tokens }) => tokenStart + tokens.length));
}

function textOf(run: readonly Chunk[]): string {
  let text = '';
  const from = (run[0] as Chunk).start;
  for (const chunk of run) text += chunk.text.slice(Math.max(0, from + text.length - chunk.start));
  return text;
}

function tokensOf(run: readonly Chunk[], tokenEnd: number): Int32Array {
  const from = (run[0] as Chunk).tokenStart;
  const tokens = new Int32Array(tokenEnd - from);
  for (const chunk of run) tokens.set(chunk.tokens, chunk.tokenStart - from);
  return tokens;
}
