import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CellBudget } from '../../../lib/weave/cell-budget.js';

test('first come, first served', async () => {
  const budget = new CellBudget(10);
  const order: string[] = [];
  const first = await budget.acquire(8);
  const large = budget.acquire(6).then((lease) => {
    order.push('large');
    return lease;
  });
  const small = budget.acquire(1).then((lease) => {
    order.push('small');
    return lease;
  });
  first.release();
  (await large).release();
  (await small).release();
  expect(order).toEqual(['large', 'small']);
  expect(budget.free).toBe(10);
});

test('an abort frees the way for those behind', async () => {
  const budget = new CellBudget(10);
  const lease = await budget.acquire(8);
  const controller = new AbortController();
  const large = budget.acquire(6, controller.signal);
  const small = budget.acquire(2);
  controller.abort();
  await expect(large).rejects.toMatchObject({ name: 'AbortError' });
  (await small).release();
  lease.release();
  lease.release();
  expect(budget.free).toBe(10);
});

test('more than there is fails at once', async () => {
  await expect(new CellBudget(10).acquire(11)).rejects.toMatchObject({ needed: 11, available: 10 });
});

test('never more than there is, and everything comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 }),
      async (sizes) => {
        const budget = new CellBudget(20);
        let held = 0;
        await Promise.all(
          sizes.map(async (size, i) => {
            const lease = await budget.acquire(size);
            held += size;
            expect(held).toBeLessThanOrEqual(20);
            for (let turns = 0; turns < i % 4; turns++) await Promise.resolve();
            held -= size;
            lease.release();
          }),
        );
        return budget.free === 20;
      },
    ),
    { numRuns: 200 },
  );
});
