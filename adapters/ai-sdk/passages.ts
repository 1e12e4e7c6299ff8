import type { ScoredChunk } from '../../lib/retrieve/retriever.js';

export interface PassageWords {
  /** Text before the passages; default a line that says what they are. */
  readonly instructions?: string;
  /** Text after each passage; default a blank line. */
  readonly separator?: string;
}

/** Passages as one text, in the order of their documents and places. */
export function joinedPassages(
  found: readonly ScoredChunk[],
  { instructions = 'Answer from these passages:\n\n', separator = '\n\n' }: PassageWords,
): string {
  const chunks = found
    .map(({ chunk }) => chunk)
    .sort((a, b) =>
      a.documentId === b.documentId ? a.start - b.start : a.documentId < b.documentId ? -1 : 1,
    );
  return instructions + chunks.map(({ text }) => text + separator).join('');
}
