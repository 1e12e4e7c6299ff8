import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CellBudget, type CellLease } from '../../../lib/weave/cell-budget.js';

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

test('the oldest grows at once while its most is kept free from those who come later', async () => {
  const budget = new CellBudget(20);
  const oldest = await budget.acquire(6, undefined, 12);
  const second = await budget.acquire(7, undefined, 9);
  expect(budget.free).toBe(7);
  // A third would leave too little for the oldest.
  let third: CellLease | undefined;
  const beginning = budget.acquire(2).then((lease) => (third = lease));
  expect(oldest.grow(3)).toBeUndefined();
  expect(oldest.cells).toBe(9);
  // The second would too: 4 are free, 3 of them the oldest's.
  const growth = second.grow(2);
  expect(growth).toBeInstanceOf(Promise);
  expect(oldest.grow(99)).toBeUndefined();
  expect(oldest.cells).toBe(12);
  expect(second.cells).toBe(7);
  oldest.release();
  await growth;
  expect(second.cells).toBe(9);
  await beginning;
  second.release();
  third?.release();
  expect(budget.free).toBe(20);
});

test('an abort of growth gives up the wait, not what is held, and lets others on', async () => {
  const budget = new CellBudget(10);
  const oldest = await budget.acquire(4, undefined, 6);
  const second = await budget.acquire(4, undefined, 8);
  const controller = new AbortController();
  const growth = second.grow(1, controller.signal);
  const small = budget.acquire(0);
  let begun = false;
  void small.then(() => (begun = true));
  await new Promise((resolve) => setImmediate(resolve));
  // Nobody new begins while one that runs waits.
  expect(begun).toBe(false);
  controller.abort();
  await expect(growth).rejects.toMatchObject({ name: 'AbortError' });
  await expect(second.grow(1, controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  (await small).release();
  expect(second.cells).toBe(4);
  for (const lease of [second, oldest]) lease.release();
  expect(budget.free).toBe(10);
});

test('more than there could ever be is refused before anything is held', async () => {
  const budget = new CellBudget(10);
  await expect(budget.acquire(1, undefined, 11)).rejects.toMatchObject({ needed: 11 });
  expect(budget.free).toBe(10);
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
}

test('whatever is drawn: never too many, begun in order, the oldest never waits, all come to an end', async () => {
  const total = 40;
  const drawn = fc.record({
    sizes: fc.tuple(fc.integer({ min: 0, max: total }), fc.integer({ min: 0, max: total })),
    step: fc.integer({ min: 1, max: 9 }),
    pause: fc.integer({ min: 0, max: 5 }),
    late: fc.integer({ min: 0, max: 12 }),
    abort: fc.option(fc.integer({ min: 0, max: 20 }), { freq: 6 }),
  });
  let waits = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(drawn, { maxLength: 14 }), async (callers) => {
      const budget = new CellBudget(total);
      const queue: AbortSignal[] = [];
      const running: CellLease[] = [];
      const check = (): void => {
        const held = running.reduce((sum, { cells }) => sum + cells, 0);
        expect(held).toBeLessThanOrEqual(total);
        // What was granted to a caller that has not run since is in neither.
        expect(budget.free).toBeGreaterThanOrEqual(0);
        expect(budget.free).toBeLessThanOrEqual(total - held);
      };
      const run = async (caller: (typeof callers)[number]): Promise<void> => {
        const { sizes, step, pause, late, abort } = caller;
        const [first = 0, most = 0] = sizes.toSorted((a, b) => a - b);
        await turns(late);
        const controller = new AbortController();
        if (abort !== null) void turns(abort).then(() => controller.abort());
        const { signal } = controller;
        queue.push(signal);
        let lease: CellLease | undefined;
        try {
          lease = await budget.acquire(first, signal, most);
          // Only those who gave up were overtaken.
          const ahead = queue.splice(0, queue.indexOf(signal) + 1).slice(0, -1);
          expect(ahead.every(({ aborted }) => aborted)).toBe(true);
          running.push(lease);
          check();
          while (lease.cells < most) {
            const before = lease.cells;
            const growing = lease.grow(step, signal);
            if (running[0] === lease) expect(growing).toBeUndefined();
            if (growing) waits++;
            await growing;
            expect(lease.cells).toBe(Math.min(most, before + step));
            check();
            await turns(pause);
          }
        } catch (error) {
          if (!signal.aborted || error !== signal.reason) throw error;
        } finally {
          if (lease) running.splice(running.indexOf(lease), 1);
          lease?.release();
        }
      };
      await Promise.all(callers.map(run));
      expect(budget.free).toBe(total);
    }),
    { numRuns: 300 },
  );
  // The draw meets what it is for.
  expect(waits).toBeGreaterThan(20);
});

describe('parked cells', () => {
  test('go to whoever needs them, the oldest first, and only where that helps', async () => {
    const budget = new CellBudget(20);
    const gone: string[] = [];
    const park = async (name: string, cells: number) =>
      budget.park([await budget.acquire(cells)], cells, () => void gone.push(name));
    const a = await park('a', 6);
    const b = await park('b', 6);
    const c = await park('c', 6);
    a.touch();
    expect(budget.free).toBe(2);
    const lease = await budget.acquire(5);
    expect(gone).toEqual(['b']);
    expect([a.gone, b.gone, c.gone]).toEqual([false, true, false]);
    expect(b.take()).toBeUndefined();
    const held = c.take();
    expect(held?.cells).toBe(6);
    // Even with all that is parked there would be too few: nobody loses anything for it.
    const large = budget.acquire(16);
    expect(gone).toEqual(['b']);
    held?.release();
    lease.release();
    (await large).release();
    expect(gone).toEqual(['b', 'a']);
    expect(budget.free).toBe(20);
    for (const each of [a, b, c]) each.release();
    expect(budget.free).toBe(20);
  });

  test('what is parked of several leases is what is kept of them', async () => {
    const budget = new CellBudget(20);
    const leases = [await budget.acquire(4), await budget.acquire(9, undefined, 11)];
    const waiting = budget.acquire(13);
    const parked = budget.park(leases, 7, () => {});
    expect(parked.cells).toBe(7);
    (await waiting).release();
    for (const lease of leases) lease.release();
    expect(budget.free).toBe(13);
    expect(budget.acquireFree(14)).toBeUndefined();
    budget.acquireFree(13)?.release();
    parked.release();
    expect(budget.free).toBe(20);
  });

  test('growth takes them as well', async () => {
    const budget = new CellBudget(10);
    const parked = budget.park([await budget.acquire(6)], 6, () => {});
    const lease = await budget.acquire(3, undefined, 8);
    expect(lease.grow(5)).toBeUndefined();
    expect(parked.gone).toBe(true);
    lease.release();
    expect(budget.free).toBe(10);
  });

  test('whoever comes, all get their turn and nothing is lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ cells: fc.integer({ min: 1, max: 12 }), more: fc.nat(6) }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (users) => {
          const budget = new CellBudget(18);
          let held = 0;
          const take = (by: number) => {
            held += by;
            expect(held).toBeLessThanOrEqual(18);
          };
          await Promise.all(
            users.map(async ({ cells, more }, i) => {
              const lease = await budget.acquire(cells, undefined, cells + more);
              take(cells);
              await turns(i % 3);
              await lease.grow(more);
              take(more);
              const parked = budget.park([lease], cells, () => take(-cells));
              // What was not kept, before anyone else could count it.
              held -= more;
              await turns((i * 7) % 4);
              const again = parked.take();
              if (again) {
                await turns(1);
                again.release();
                held -= cells;
              }
            }),
          );
          return budget.free === 18 && held === 0;
        },
      ),
      { numRuns: 100 },
    );
  });
});
