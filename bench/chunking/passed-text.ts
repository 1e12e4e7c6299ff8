import {
  type Chunker,
  chunksAt,
  type KvEngine,
  singlePassChunker,
  type TokenizedDocument,
} from '../../lib/index.js';
import { passSegments, singlePassSegments } from '../../lib/chunkers/single-pass.js';

/**
 * A single pass for texts in another vocabulary: the engine's tokens are cut, and the text with them. `onComputed` is told
 * how many tokens the pass over a text takes. No keys and values are taken out, which moves no border.
 */
export function passedText(
  engine: KvEngine,
  sizes: { readonly maxTokens: number; readonly targetTokens: number },
  onComputed: (tokens: number) => void,
): Chunker {
  const inner = singlePassChunker({ engine, ...sizes });
  return {
    name: inner.name,
    async chunk(document, options = {}) {
      const own = { ...document, tokens: await engine.tokenizer.encode(document.text) };
      const chunks = await inner.chunk(own, options);
      const spans = await singlePassSegments(own, { ...sizes, segments: passSegments });
      onComputed(spans.reduce((sum, { start, end }) => sum + end - start, 0));
      const places = chunks.map(({ start }) => placeBefore(document, start));
      const metadata = new Map(chunks.map((chunk, i) => [places[i], chunk.metadata]));
      return (await chunksAt(document, places, options)).map((chunk) => {
        const known = metadata.get(chunk.start);
        return known ? { ...chunk, metadata: known } : chunk;
      });
    },
  };
}

/** Where the token begins that holds a place, if nothing but blanks is between: many tokens begin with the blank before a word. */
function placeBefore({ text, tokens }: TokenizedDocument, place: number): number {
  const { starts } = tokens;
  let low = 0;
  let high = starts.length - 1;
  const at = (i: number): number => {
    let known = i;
    while ((starts[known] as number) < 0) known--;
    return starts[known] as number;
  };
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (at(middle) <= place) low = middle;
    else high = middle - 1;
  }
  return text.slice(at(low), place).trim() === '' ? at(low) : place;
}
