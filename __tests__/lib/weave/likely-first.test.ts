import { expect, test } from '@jest/globals';
import type { Chunk, Retriever } from '../../../lib/index.js';
import { likelyFirst } from '../../../lib/weave/likely-first.js';
import type { KnownDocument } from '../../../lib/weave/registry.js';

function documentsOf(count: number): KnownDocument[] {
  return Array.from({ length: count }, (_, i) => {
    const text = `Passage ${i} tells of the harbour and of ship ${i % 7}.`;
    const chunk: Chunk = {
      id: `c${i}`,
      documentId: `d${i}`,
      start: 0,
      end: text.length,
      text,
      tokenStart: 0,
      tokens: Int32Array.of(1),
    };
    return { id: `d${i}`, title: `Log ${i}`, chunks: [chunk] } as unknown as KnownDocument;
  });
}

test('searches that take their time do not hold the event loop up all together', async () => {
  const documents = documentsOf(60);
  const slow = {
    size: 60,
    async search() {
      const end = performance.now() + 4;
      while (performance.now() < end);
      return [];
    },
  } as unknown as Retriever;
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await likelyFirst(documents, slow);
  clearInterval(timer);
  // 48 searches of 4 ms: a pause after every second one at least.
  expect(turns).toBeGreaterThan(12);
});
