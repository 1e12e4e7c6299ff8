import { expect, test } from '@jest/globals';
import { cutsPicture } from '../../../bench/chunking/picture.js';
import { approximateTokens, fixedChunker, recursiveChunker } from '../../../lib/index.js';

const text = `# Cats & dogs\n\n${'Cats drink <milk> and sleep. '.repeat(12)}\n\nDogs bark.`;
const document = await approximateTokens({ id: 'pets', text });

test('the text stands there once, and each chunk as far down as its lines', async () => {
  const columns = await Promise.all(
    [fixedChunker({ maxTokens: 30 }), recursiveChunker({ maxTokens: 60 })].map(async (chunker) => ({
      name: chunker.name,
      chunks: await chunker.chunk(document),
    })),
  );
  const svg = cutsPicture(document, columns);
  expect(svg).toContain('# Cats &amp; dogs</text>');
  expect(svg.match(/&lt;milk&gt;/g)?.length).toBe(12);
  const strips = [
    ...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="22" height="([\d.]+)"/g),
  ].map(([, x, y, height]) => ({ x: Number(x), y: Number(y), height: Number(height) }));
  const counts = columns.map(({ chunks }) => chunks.length);
  expect(strips).toHaveLength(counts.reduce((a, b) => a + b, 0));
  const places = [...new Set(strips.map(({ x }) => x))];
  expect(places.map((x) => strips.filter((strip) => strip.x === x).length)).toEqual(counts);
  for (const x of places) {
    const own = strips.filter((strip) => strip.x === x);
    for (const [i, { y, height }] of own.entries()) {
      expect(height).toBeGreaterThan(0);
      const next = own[i + 1];
      if (next) expect(next.y).toBeGreaterThanOrEqual(y + height);
    }
  }
  // The last line is that of the dogs, where the picture's last strips end.
  const lines = [...svg.matchAll(/ y="(\d+)" font-family="monospace"[^>]*>([^<]*)</g)];
  const last = lines.at(-1);
  expect(last?.[2]).toBe('Dogs bark.');
  const ends = strips.map(({ y, height }) => y + height);
  expect(Math.abs(Math.max(...ends) - Number(last?.[1]))).toBeLessThan(6);
});
