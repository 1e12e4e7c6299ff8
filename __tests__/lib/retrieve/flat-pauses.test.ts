import { afterEach, expect, jest, test } from '@jest/globals';
import { flatIndex, type VectorEntry } from '../../../lib/index.js';
import { seededNormals, seededRandom } from '../../../lib/testing/index.js';

const embedder = { fingerprint: 'x', dimensions: 300 };

const entries = (count: number): VectorEntry[] => {
  const random = seededRandom(1);
  return Array.from({ length: count }, (_, i) => ({
    id: `e${i}`,
    vector: Float32Array.from(seededNormals(random, embedder.dimensions, 1)),
  }));
};

/** Every look at the clock finds a slice of time used up, so work pauses wherever it may. */
function pauseEverywhere(): void {
  let now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => (now += 100));
}

afterEach(() => {
  jest.restoreAllMocks();
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test('an add that is aborted between two entries keeps those before', async () => {
  const index = flatIndex({ embedder });
  const all = entries(60);
  pauseEverywhere();
  const controller = new AbortController();
  const adding = index.add(all, { signal: controller.signal }).catch((error: unknown) => error);
  while ((await index.size()) < 20) await turn();
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await adding).toBe(reason);
  jest.restoreAllMocks();
  const size = await index.size();
  expect(size).toBeGreaterThanOrEqual(20);
  expect(size).toBeLessThan(60);
  await index.add(all.slice(size));
  expect(await index.size()).toBe(60);
});

test('a query leaves the event loop its turns, and sees changes as before or after', async () => {
  const index = flatIndex({ embedder });
  const all = entries(4000);
  await index.add(all);
  const { vector } = all[0] as VectorEntry;
  pauseEverywhere();
  let turns = 0;
  const query = { isOver: false };
  const looping = (async () => {
    while (!query.isOver) {
      await turn();
      turns++;
      if (turns !== 3) continue;
      // The nearest is moved to the last place of all while the query is under way.
      await index.remove(['e0', 'e1']);
      await index.add([all[1] as VectorEntry, all[0] as VectorEntry]);
    }
  })();
  const found = await index.query(vector, { k: 50 });
  query.isOver = true;
  await looping;
  // 4,000 vectors of 300 are 1.2 million numbers, and a pause comes after 65,536 of them.
  expect(turns).toBeGreaterThan(15);
  expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
  expect(found[0]?.id).toBe('e0');
});

test('a query that waits is aborted', async () => {
  const index = flatIndex({ embedder });
  const all = entries(1000);
  await index.add(all);
  pauseEverywhere();
  const controller = new AbortController();
  const reason = new Error('enough');
  const query = index.query((all[0] as VectorEntry).vector, { k: 1, signal: controller.signal });
  controller.abort(reason);
  await expect(query).rejects.toBe(reason);
});

test('a call that waits for another one is aborted, and those behind it go on', async () => {
  const index = flatIndex({ embedder });
  const all = entries(40);
  const pieces = index.toBytes()[Symbol.asyncIterator]();
  await pieces.next();
  const controller = new AbortController();
  const waiting = index.add(all.slice(0, 20), { signal: controller.signal });
  const behind = index.add(all.slice(20));
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(await index.size()).toBe(0);
  await pieces.return?.();
  await behind;
  expect(await index.size()).toBe(20);
});
