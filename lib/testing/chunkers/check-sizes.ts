import { splitsPair } from '../../chunkers/characters.js';
import { isGraphemeStart } from '../../chunkers/graphemes.js';
import { placeAfter, placeBefore } from '../../chunkers/places.js';
import type { Chunk, TokenizedDocument } from '../../document.js';

export interface ChunkBounds {
  /** Most tokens of a chunk; Infinity for no limit. */
  readonly maxTokens: number;
  /** Most tokens of a character that must stay whole. */
  readonly longestCharacter: number;
  /** Whether chunks may repeat text of their neighbours. */
  readonly overlaps: boolean;
}

/** What is wrong with the sizes and borders of chunks that are otherwise sound, or undefined. */
export function sizeProblem(
  document: TokenizedDocument,
  chunks: readonly Chunk[],
  { maxTokens, longestCharacter, overlaps }: ChunkBounds,
): string | undefined {
  const { text } = document;
  for (const [i, chunk] of chunks.entries()) {
    const { id, start, end, tokenStart, tokens } = chunk;
    if (tokens.length > maxTokens) return `${id} has ${tokens.length} tokens, over ${maxTokens}`;
    if (splitsPair(text, start) || splitsPair(text, end)) return `${id} splits a surrogate pair`;
    if (!overlaps && start < (chunks[i - 1]?.end ?? 0)) return `${id} overlaps the chunk before it`;
    for (const token of [tokenStart, tokenStart + tokens.length]) {
      const length = splitCharacter(document, token);
      if (length > 0 && length <= longestCharacter) {
        return `${id} (${start} to ${end}) splits a character of ${length} tokens`;
      }
    }
  }
  return undefined;
}

/** Tokens from the nearest place between characters before `token` to that after it; 0 where it is one. */
function splitCharacter({ text, tokens }: TokenizedDocument, token: number): number {
  const isWhole = (place: number) => isGraphemeStart(text, tokens.starts[place] as number);
  if (isWhole(token)) return 0;
  let before = token;
  while (!isWhole(before)) before = placeBefore(text, tokens, before - 1);
  let after = token;
  while (!isWhole(after)) after = placeAfter(text, tokens, after);
  return after - before;
}
