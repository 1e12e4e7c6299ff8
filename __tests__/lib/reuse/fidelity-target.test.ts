import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { fidelityTarget, InvalidArgumentError } from '../../../lib/index.js';
import { seededRandom } from '../../../lib/random.js';

/** KL that falls with coverage, and is anything from nothing to several times its mean for a single answer. */
const noisy = (mean: number, random: () => number): number => -mean * Math.log(1 - random());

describe('fidelityTarget', () => {
  test('comes to the target as a mean, wherever it begins and however questions are', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        // What nothing recomputed costs, of which a coverage of c leaves the share 1 - c.
        fc.double({ min: 0.05, max: 0.5, noNaN: true }),
        fc.double({ min: 0.25, max: 0.75, noNaN: true }),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (coverage, none, share, seed) => {
          const target = fidelityTarget({ kl: none * share, coverage });
          const random = seededRandom(seed);
          let sum = 0;
          const [first, count] = [200, 4000];
          for (let i = 0; i < first + count; i++) {
            const kl = noisy(none * (1 - target.coverage), random);
            target.observe({ kl });
            if (i >= first) sum += kl;
          }
          expect(sum / count / target.kl).toBeGreaterThan(0.9);
          expect(sum / count / target.kl).toBeLessThan(1.1);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('follows when questions change', () => {
    const target = fidelityTarget({ kl: 0.05 });
    for (let i = 0; i < 300; i++) target.observe({ kl: 0.1 * (1 - target.coverage) });
    expect(target.coverage).toBeCloseTo(0.5, 2);
    for (let i = 0; i < 300; i++) target.observe({ kl: 0.5 * (1 - target.coverage) });
    expect(target.coverage).toBeCloseTo(0.9, 2);
    expect(target.checks).toBe(600);
  });

  test('no answer is so far off that it cannot come back', () => {
    const target = fidelityTarget({ kl: 0.01 });
    for (let i = 0; i < 1000; i++) target.observe({ kl: Infinity });
    expect(target.coverage).toBeCloseTo(0.99);
    for (let i = 0; i < 100; i++) target.observe({ kl: 0 });
    expect(target.coverage).toBeCloseTo(0.01);
  });

  test('goes on where an earlier one was', () => {
    const target = fidelityTarget({ kl: 0.05, coverage: 0.3 });
    expect(target.coverage).toBeCloseTo(0.3);
    target.observe({ kl: 0.2 });
    expect(fidelityTarget({ kl: 0.05, coverage: target.coverage }).coverage).toBeCloseTo(
      target.coverage,
    );
  });

  test.each([
    [{ kl: 0 }, 'kl is 0'],
    [{ kl: NaN }, 'kl is NaN'],
    [{ kl: Infinity }, 'kl is Infinity'],
    [{ kl: 1, coverage: 0 }, 'coverage is 0'],
    [{ kl: 1, coverage: 1 }, 'coverage is 1'],
    [{ kl: 1, gain: 0 }, 'gain is 0'],
    [{ kl: 1, gain: 2 }, 'gain is 2'],
  ])('refuses %j', (options, message) => {
    expect(() => fidelityTarget(options)).toThrow(InvalidArgumentError);
    expect(() => fidelityTarget(options)).toThrow(message);
  });

  test('refuses a divergence that is none, and stays where it is', () => {
    const target = fidelityTarget({ kl: 1 });
    for (const kl of [NaN, -1]) expect(() => target.observe({ kl })).toThrow(InvalidArgumentError);
    expect([target.coverage.toFixed(3), target.checks]).toEqual(['0.600', 0]);
  });
});
