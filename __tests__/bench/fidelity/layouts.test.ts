import { expect, test } from '@jest/globals';
import { fakeLab } from './fake-lab.js';

test.each([
  ['set', 'none'],
  ['twice', 'full'],
  ['around', 'full'],
] as const)('what is exact is told from nothing: layout %s, policy %s', async (layout, policy) => {
  const { lab, item, prefix } = await fakeLab({ layout });
  const { free } = prefix.arena;
  const prepared = await lab.prepare(item);
  const { kl, agree } = await lab.run(prepared, { warmup: 'prefix', policy, ratio: 1 }, item);
  expect(kl).toBeLessThan(1e-9);
  expect(agree).toBe(1);
  const copies = layout === 'twice' ? 2 : 1;
  const asked = item.ask.length + (layout === 'set' ? 0 : item.earlier.length);
  const passages = item.pieces.reduce((sum, { tokens }) => sum + tokens.length, 0);
  expect(prepared.prompt).toHaveLength(prefix.length + copies * passages + asked);
  expect(prefix.arena.free).toBe(free);
});

test('passages that stand twice are stale the second time, and see the first', async () => {
  const { lab, item } = await fakeLab({ layout: 'twice' });
  const prepared = await lab.prepare(item);
  const run = (policy: string, ratio: number) =>
    lab.run(prepared, { warmup: 'prefix', policy, ratio }, item);
  const none = await run('none', 0);
  const some = await run('question', 0.3);
  expect(none.kl).toBeGreaterThan(1e-6);
  expect(none.share).toBe(0);
  // Of all places, those of the second copy too.
  expect(some.share).toBeGreaterThan(0.25);
  expect(some.share).toBeLessThan(0.6);
});

test('passages behind a part of the prefix alone are all stale', async () => {
  const { lab, item, prefix } = await fakeLab({ layout: 'sequence' });
  const prepared = await lab.prepare(item);
  const run = async (warmup: string, policy = 'none') =>
    (await lab.run(prepared, { warmup, policy, ratio: 1 }, item)).kl;
  const behindPart = await run('prefix@1');
  expect(behindPart).toBeGreaterThan(0);
  expect(behindPart).not.toBe(await run('prefix'));
  expect(await run(`prefix@${prefix.length}`)).toBe(await run('prefix'));
  // The first passage is computed again as well.
  expect(await run('prefix@1', 'full')).toBeLessThan(1e-9);
  await expect(run('unheard-of@1')).rejects.toThrow('There is no warm-up');
});
