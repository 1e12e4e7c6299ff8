import type { Chunk, TokenizedDocument } from '../document.js';
import { InvalidArgumentError } from '../errors.js';
import { runSteps } from '../pace.js';
import { buildChunks } from './build-chunks.js';
import type { ChunkOptions } from './chunker.js';
import { checkTokens } from './limits.js';
import { Outline } from './outline.js';

/**
 * For chunkers of one's own, which need only say where to cut: passages that begin at the start of the document and at
 * each of `places`, in any order, equal ones once. A place inside of a token moves to the next token's border; spans
 * without a visible character are left out. Passages have ids, and in their metadata `line` and `page`, as those of other
 * chunkers; how long they become is for the caller to see to.
 *
 * @param places UTF-16 units of the document's text, from 0 to its length
 * @throws InvalidArgumentError for a place that is none, and the signal's reason
 */
export async function chunksAt(
  document: TokenizedDocument,
  places: Iterable<number>,
  options: ChunkOptions = {},
): Promise<Chunk[]> {
  checkTokens(document);
  const { text, tokens } = document;
  const cuts = Float64Array.from(places).sort();
  for (const place of cuts) {
    if (Number.isInteger(place) && place >= 0 && place <= text.length) continue;
    throw new InvalidArgumentError(
      `Document "${document.id}" cannot be cut at ${place}: give whole numbers from 0 to ${text.length}.`,
    );
  }
  const spans: number[] = [];
  let token = 0;
  let from = 0;
  for (const place of cuts) {
    // Where a token begins inside a character its start is -1.
    while (token < tokens.ids.length && (tokens.starts[token] ?? 0) < place) token++;
    if (token === tokens.ids.length) break;
    if (token > from) spans.push(from, token);
    from = token;
  }
  if (tokens.ids.length > from) spans.push(from, tokens.ids.length);
  return runSteps(buildChunks(document, spans, new Outline()), options);
}
