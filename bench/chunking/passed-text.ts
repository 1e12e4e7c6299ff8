import { type Chunker, chunksAt, type KvEngine, singlePassChunker } from '../../lib/index.js';
import { singlePassSegments, passSegments } from '../../lib/chunkers/single-pass.js';

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
      const metadata = new Map(chunks.map((chunk) => [chunk.start, chunk.metadata]));
      const made = await chunksAt(
        document,
        chunks.map(({ start }) => start),
        options,
      );
      return made.map((chunk) => {
        const known = metadata.get(chunk.start);
        return known ? { ...chunk, metadata: known } : chunk;
      });
    },
  };
}
