import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { InvalidArgumentError, type Segment, segmentsOf } from '../../../lib/index.js';
import { seededInteger, seededRandom } from '../../../lib/random.js';

/** Chunks of 20 to 120 tokens that follow one another. */
function textOf(seed: number, chunks: number) {
  const random = seededRandom(seed);
  const spans = [];
  let at = 0;
  for (let i = 0; i < chunks; i++) {
    const end = at + 20 + seededInteger(random, 100);
    spans.push({ start: at, end });
    at = end;
  }
  const tokens = Int32Array.from({ length: at }, () => seededInteger(random, 50_000));
  return { tokens, spans };
}

const options = { maxTokens: 800, minTokens: 400, overlap: 100 };

test('segments cover all chunks once, in order, within their bounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 0, max: 60 }),
      (seed, chunks) => {
        const { tokens, spans } = textOf(seed, chunks);
        const segments = segmentsOf(tokens, spans, options);
        let next = 0;
        for (const segment of segments) {
          expect(segment.chunks.start).toBe(next);
          expect(segment.chunks.end).toBeGreaterThan(next);
          next = segment.chunks.end;
          const start = spans[segment.chunks.start]!.start;
          const end = spans[segment.chunks.end - 1]!.end;
          expect(segment.tokens).toEqual({ start: Math.max(0, start - 100), end });
          expect(end - start).toBeLessThanOrEqual(800);
          // Chunks of up to 120 tokens: what is too long for one can be divided within 60 of its middle.
          if (segments.length > 1) expect(end - start).toBeGreaterThanOrEqual(340);
        }
        expect(next).toBe(chunks);
      },
    ),
  );
});

function contents(tokens: Int32Array, segments: readonly Segment[]): Set<string> {
  return new Set(segments.map(({ tokens: { start, end } }) => tokens.slice(start, end).join()));
}

test('an edit leaves most segments of a long document as they were', () => {
  const shares: number[] = [];
  for (let seed = 1; seed <= 10; seed++) {
    const { tokens, spans } = textOf(seed, 200);
    const before = contents(tokens, segmentsOf(tokens, spans, options));
    // A new chunk of 50 tokens in the middle of the first fifth.
    const at = spans[20]!.start;
    const added = Int32Array.from({ length: 50 }, (_, i) => i);
    const edited = Int32Array.of(...tokens.slice(0, at), ...added, ...tokens.slice(at));
    const moved = [
      ...spans.slice(0, 20),
      { start: at, end: at + 50 },
      ...spans.slice(20).map(({ start, end }) => ({ start: start + 50, end: end + 50 })),
    ];
    const after = contents(edited, segmentsOf(edited, moved, options));
    shares.push([...before].filter((content) => after.has(content)).length / before.size);
  }
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  expect(mean).toBeGreaterThan(0.85);
  expect(Math.min(...shares)).toBeGreaterThan(0.6);
});

test('how far an edit reaches has nothing to do with how long the document is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 299 }), (seed, at) => {
      const { tokens, spans } = textOf(seed, 300);
      const before = contents(tokens, segmentsOf(tokens, spans, options));
      const edited = tokens.slice();
      const { start, end } = spans[at]!;
      for (let i = start; i < end; i++) edited[i] = (edited[i]! + 1) % 50_000;
      const after = segmentsOf(edited, spans, options);
      const moved = after.filter(
        ({ tokens: { start: from, end: to } }) => !before.has(edited.slice(from, to).join()),
      );
      for (const { tokens: part } of moved) {
        expect(part.start).toBeLessThan(end + 2400);
        expect(part.end).toBeGreaterThan(start - 2400);
      }
      expect(moved.length).toBeLessThanOrEqual(8);
    }),
    { numRuns: 50 },
  );
});

test('a chunk longer than a segment is one of its own', () => {
  const tokens = new Int32Array(3000);
  const spans = [
    { start: 0, end: 100 },
    { start: 100, end: 2500 },
    { start: 2500, end: 3000 },
  ];
  expect(segmentsOf(tokens, spans, options)).toEqual([
    { tokens: { start: 0, end: 100 }, chunks: { start: 0, end: 1 } },
    { tokens: { start: 0, end: 2500 }, chunks: { start: 1, end: 2 } },
    { tokens: { start: 2400, end: 3000 }, chunks: { start: 2, end: 3 } },
  ]);
});

test.each([
  [[{ start: 5, end: 5 }]],
  [[{ start: 0, end: 11 }]],
  [
    [
      { start: 3, end: 6 },
      { start: 2, end: 8 },
    ],
  ],
  [
    [
      { start: 3, end: 8 },
      { start: 4, end: 6 },
    ],
  ],
  [[{ start: 0.5, end: 3 }]],
])('spans that cannot be are refused: %j', (spans) => {
  expect(() => segmentsOf(new Int32Array(10), spans)).toThrow(InvalidArgumentError);
});

test.each([{ maxTokens: 0 }, { minTokens: -1 }, { overlap: 1.5 }])('%j is refused', (bad) => {
  expect(() => segmentsOf(new Int32Array(10), [], bad)).toThrow(InvalidArgumentError);
});
