import type { Document, TokenizedDocument } from '../document.js';
import { runSteps, type Steps } from '../pace.js';
import { NEWLINE, SPACE, WORD, classAt, splitsPair } from './characters.js';
import type { ChunkOptions } from './chunker.js';

/** UTF-16 units of a word that a token holds. */
const longest = 6;

/**
 * A document with about as many tokens as common vocabularies make of it, for looking at chunks when no model is at
 * hand: words in pieces of up to six letters with the space before them, other characters one by one. Their ids are
 * hashes and mean nothing to a model.
 */
export async function approximateTokens(
  document: Document,
  options: Pick<ChunkOptions, 'signal'> = {},
): Promise<TokenizedDocument> {
  return { ...document, tokens: await runSteps(tokensOf(document.text), options) };
}

function* tokensOf(text: string): Steps<TokenizedDocument['tokens']> {
  let starts = new Int32Array(1024);
  let ids = new Int32Array(1024);
  let count = 0;
  for (let start = 0; start < text.length;) {
    const end = endOf(text, start);
    // One more for the end of the text.
    if (count + 1 === starts.length) {
      starts = doubled(starts);
      ids = doubled(ids);
    }
    starts[count] = start;
    ids[count++] = hashOf(text, start, end);
    start = end;
    if ((count & 0x3fff) === 0) yield start / text.length;
  }
  starts[count] = text.length;
  return { ids: ids.slice(0, count), starts: starts.slice(0, count + 1) };
}

function endOf(text: string, start: number): number {
  let end = start + 1;
  let kind = classAt(text, start);
  if (kind === SPACE && end < text.length && classAt(text, end) === WORD) {
    kind = WORD;
    end++;
  }
  if (kind === WORD || kind === NEWLINE) {
    while (end < text.length && end - start <= longest && classAt(text, end) === kind) end++;
  }
  return splitsPair(text, end) ? end + 1 : end;
}

function hashOf(text: string, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 1;
}

function doubled(values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(2 * values.length);
  longer.set(values);
  return longer;
}
