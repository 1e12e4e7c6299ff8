import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  boundaryScores,
  editStability,
  pk,
  precisionOmega,
  retrievalScores,
  sizeDistribution,
  tokenMeasure,
  windowDiff,
  withinBudget,
} from '../../../../lib/evaluate/index.js';

const span = (start: number, end: number, documentId = 'a') => ({ documentId, start, end });

describe('retrieval scores, worked by hand', () => {
  test('what is found over what there is, and over what was read', () => {
    // References 10 to 20 and 50 to 60; chunks 0 to 15 and 40 to 55 hold 5 of each.
    const scores = retrievalScores([span(0, 15), span(40, 55)], [span(10, 20), span(50, 60)]);
    expect(scores).toEqual({ recall: 10 / 20, precision: 10 / 30, iou: 10 / (30 + 10) });
  });

  test('overlapping chunks count once as found and twice as read', () => {
    const scores = retrievalScores([span(0, 20), span(10, 30)], [span(10, 20)]);
    expect(scores).toEqual({ recall: 1, precision: 10 / 40, iou: 10 / 40 });
  });

  test('chunks of other documents count as read, not as found', () => {
    const scores = retrievalScores([span(10, 20, 'b'), span(10, 20)], [span(10, 20)]);
    expect(scores).toEqual({ recall: 1, precision: 0.5, iou: 0.5 });
  });

  test('nothing retrieved finds nothing', () => {
    expect(retrievalScores([], [span(0, 5)])).toEqual({ recall: 0, precision: 0, iou: 0 });
    expect(() => retrievalScores([span(0, 5)], [])).toThrow(/no reference/);
  });

  test('tokens may be counted instead', () => {
    // Tokens begin at 0, 4, 8 and 9; the second one inside a character begins with it.
    const tokens = { ids: new Int32Array(5), starts: Int32Array.of(0, 4, -1, 8, 9, 12) };
    const measure = tokenMeasure([{ id: 'a', text: 'x'.repeat(12), tokens }]);
    expect(measure(span(0, 12))).toBe(5);
    expect(measure(span(4, 9))).toBe(3);
    const scores = retrievalScores([span(0, 8)], [span(4, 12)], measure);
    expect(scores).toEqual({ recall: 2 / 4, precision: 2 / 3, iou: 2 / (3 + 2) });
    expect(() => measure(span(0, 1, 'b'))).toThrow(/"b" is not known/);
  });
});

describe('PrecisionOmega, worked by hand', () => {
  const chunks = [span(0, 10), span(10, 20), span(20, 30), span(30, 40)];

  test('of the chunks that hold a reference, the share that is one', () => {
    expect(precisionOmega(chunks, [span(12, 18)])).toBe(6 / 10);
    expect(precisionOmega(chunks, [span(15, 25)])).toBe(10 / 20);
  });

  test('a chunk that only meets a reference counts', () => {
    expect(precisionOmega(chunks, [span(10, 18)])).toBe(8 / 20);
    expect(precisionOmega(chunks, [span(10, 20)])).toBe(10 / 30);
  });

  test('overlap counts once, and what no chunk holds is missed', () => {
    expect(precisionOmega([span(0, 20), span(10, 30)], [span(12, 18)])).toBe(6 / 30);
    expect(precisionOmega([span(0, 10)], [span(5, 15)])).toBe(5 / (10 + 5));
    expect(precisionOmega([span(0, 10, 'b')], [span(0, 10)])).toBe(0);
  });

  test('scores are shares, whatever the spans', () => {
    const spans = fc.array(
      fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 20 }), fc.constantFrom('a', 'b')),
      { maxLength: 12 },
    );
    const made = spans.map((list) => list.map(([at, length, id]) => span(at, at + length, id)));
    fc.assert(
      fc.property(made, made, (chunks, references) => {
        fc.pre(references.length > 0);
        // The same, character by character.
        const held = (list: typeof chunks) => {
          const places = list.flatMap(({ documentId, start, end }) =>
            Array.from({ length: end - start }, (_, i) => `${documentId}${start + i}`),
          );
          return { set: new Set(places), count: places.length };
        };
        const wanted = held(references).set;
        const { set, count } = held(chunks);
        const found = [...wanted].filter((place) => set.has(place)).length;
        const scores = retrievalScores(chunks, references);
        expect(scores.recall).toBeCloseTo(found / wanted.size, 12);
        expect(scores.precision).toBeCloseTo(count > 0 ? found / count : 0, 12);
        expect(scores.iou).toBeCloseTo(found / (count + wanted.size - found), 12);
        const omega = precisionOmega(chunks, references);
        expect(omega).toBeGreaterThanOrEqual(0);
        expect(omega).toBeLessThanOrEqual(1);
      }),
    );
  });
});

const cost = (size: number) => size;

test('a budget is filled from the best, up to the first that does not fit', () => {
  expect(withinBudget([300, 400, 100, 10], 750, cost)).toEqual([300, 400]);
  expect(withinBudget([800, 10], 750, cost)).toEqual([]);
  expect(withinBudget([300, 450], 750, cost)).toEqual([300, 450]);
});

const from = (bits: string) => ({
  size: bits.length,
  // A border after each 1, as NLTK writes them.
  borders: [...bits].flatMap((bit, i) => (bit === '1' && i + 1 < bits.length ? [i + 1] : [])),
});

describe('segmentations', () => {
  test('no difference is 0, and none of the borders is half or more', () => {
    const reference = from('0100'.repeat(100));
    expect(pk(reference, reference)).toBe(0);
    expect(windowDiff(reference, reference)).toBe(0);
    // With every border or none, half of the pairs two apart are wrong: the values in NLTK's documentation.
    expect(pk(reference, from('1'.repeat(400)), { window: 2 })).toBeCloseTo(0.5, 2);
    expect(pk(reference, from('0'.repeat(400)), { window: 2 })).toBeCloseTo(0.5, 2);
  });

  test('worked by hand', () => {
    // Ten units, borders before 4 against before 5; window 3: pairs (i, i + 3) for i of 0 to 6.
    const a = { size: 10, borders: [4] };
    const b = { size: 10, borders: [5] };
    // Apart by a: i = 1, 2, 3; by b: i = 2, 3, 4. They disagree on i = 1 and 4.
    expect(pk(a, b, { window: 3 })).toBeCloseTo(2 / 7, 12);
    expect(windowDiff(a, b, { window: 3 })).toBeCloseTo(2 / 7, 12);
    // A second border next to the first is seen by the count alone.
    const c = { size: 10, borders: [4, 5] };
    // Apart by c: i = 1 to 4, so Pk disagrees with a on i = 4; counts differ on i = 2, 3 and 4.
    expect(pk(a, c, { window: 3 })).toBeCloseTo(1 / 7, 12);
    expect(windowDiff(a, c, { window: 3 })).toBeCloseTo(3 / 7, 12);
  });

  test('borders are matched once each, and near misses where they are allowed', () => {
    const reference = { size: 20, borders: [0, 5, 10, 15] };
    const hypothesis = { size: 20, borders: [5, 11, 12] };
    expect(boundaryScores(reference, hypothesis)).toEqual({
      precision: 1 / 3,
      recall: 1 / 3,
      f1: 1 / 3,
    });
    const near = boundaryScores(reference, hypothesis, { tolerance: 2 });
    expect(near.precision).toBeCloseTo(2 / 3, 12);
    expect(near.f1).toBeCloseTo(2 / 3, 12);
  });

  test('what cannot be compared is refused', () => {
    expect(() => pk({ size: 3, borders: [] }, { size: 4, borders: [] })).toThrow(/3 units/);
    expect(() => windowDiff(from('0000'), from('0000'), { window: 4 })).toThrow(/window of 4/);
  });
});

test('sizes: mean, spread and quantiles', () => {
  const sizes = sizeDistribution([2, 4, 4, 4, 5, 5, 7, 9]);
  expect(sizes).toMatchObject({ count: 8, mean: 5, variation: 2 / 5, min: 2, median: 4.5, max: 9 });
  expect(() => sizeDistribution([])).toThrow(/no sizes/);
});

const sentences = async (part: string) => part.split(/(?<=\. )/);

describe('edit stability', () => {
  const text = Array.from({ length: 60 }, (_, i) => `This is sentence ${i} of them. `).join('');

  test('a chunk for each sentence changes only where the edit is', async () => {
    const { unchanged, reencoded, edits } = await editStability(text, {
      chunkIds: sentences,
      positions: 10,
    });
    expect(edits).toBe(30);
    // Insertions lose none of 60, deletions and replacements one each.
    expect(unchanged).toBeCloseTo((1 + 59 / 60 + 59 / 60) / 3, 12);
    expect(reencoded.max).toBe(1);
    expect(reencoded.median).toBe(1);
  });

  test('one chunk of everything never stays', async () => {
    const found = await editStability(text, { chunkIds: async (part) => [part], positions: 4 });
    expect(found).toMatchObject({ unchanged: 0, reencoded: { median: 1, max: 1 } });
  });

  test('a text with too few sentences is refused', async () => {
    await expect(
      editStability('One. Two.', { chunkIds: sentences, positions: 20 }),
    ).rejects.toThrow(/fewer positions/);
  });
});
