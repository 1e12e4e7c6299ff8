import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { paretoFront, type Point } from '../../../../lib/evaluate/index.js';

const beats = (a: Point, b: Point) => a.x <= b.x && a.y <= b.y && (a.x < b.x || a.y < b.y);
const key = ({ x, y }: Point) => `${x} ${y}`;

test('the front holds exactly what nothing beats, in order', () => {
  const few = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(fc.array(fc.record({ x: few, y: few }), { maxLength: 20 }), (points) => {
      const front = paretoFront(points);
      const unbeaten = points.filter((point) => !points.some((other) => beats(other, point)));
      expect(front.map(key).toSorted()).toEqual([...new Set(unbeaten.map(key))].toSorted());
      for (const [i, point] of front.entries()) {
        expect(points).toContain(point);
        if (i > 0) expect(point.x).toBeGreaterThan(front[i - 1]!.x);
      }
    }),
    { numRuns: 500 },
  );
});
