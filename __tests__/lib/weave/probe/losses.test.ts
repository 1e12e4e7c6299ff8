import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { memoryStore } from '../../../../lib/index.js';
import { createPromptLayout } from '../../../../lib/prompt.js';
import { plainLosses, prefilledLosses, probedWeave, someChunks } from './support.js';

const question = 'Who kept the lantern of the harbour?';

test('losses are those of plain calls, whatever sets are asked at once', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 5);
  const known = new Map<string, number[]>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uniqueArray(fc.nat(4), { maxLength: 4 }), { minLength: 1, maxLength: 6 }),
      async (picks) => {
        const sets = picks.map((set) => set.map((i) => chunks[i]!));
        const { sets: losses } = await weave.probe.losses(sets, { question });
        for (const [i, set] of sets.entries()) {
          const name = picks[i]!.join();
          const plain = known.get(name) ?? (await plainLosses(engine, set, question));
          known.set(name, plain);
          expect(losses[i]).toHaveLength(plain.length);
          for (const [t, loss] of plain.entries()) expect(losses[i]![t]).toBeCloseTo(loss, 4);
        }
      },
    ),
    { numRuns: 12 },
  );
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('sets that begin alike share cells, and only the question is computed', async () => {
  // A batch takes half of the cells: all sets by themselves would not fit it.
  await using made = await probedWeave({ cells: 1024 });
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 10, 2);
  const base = chunks.slice(0, 3);
  const siblings = chunks.slice(3).map((chunk) => [...base, chunk]);
  await weave.probe.losses([chunks], { question });
  const before = engine.counters.rowLayers;
  const { work } = await weave.probe.losses(siblings, { question });
  const asked = (await engine.tokenizer.encode(`Question: ${question}`)).ids.length;
  expect(work.batches).toBeGreaterThan(0);
  expect(engine.counters.rowLayers - before).toBe(siblings.length * asked * engine.model.layers);
  expect(work.layerTokens).toBe(engine.counters.rowLayers - before);
});

test('a set is asked once, however often it is named', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const [a, b] = await someChunks(engine, 2);
  await weave.probe.losses([[a!, b!]], { question });
  const before = engine.counters.rowLayers;
  const { sets } = await weave.probe.losses(
    [
      [a!, b!],
      [a!, b!],
      [a!, b!],
    ],
    { question },
  );
  const asked = (await engine.tokenizer.encode(`Question: ${question}`)).ids.length;
  expect(engine.counters.rowLayers - before).toBe(asked * engine.model.layers);
  expect(sets[0]).toEqual(sets[2]);
});

test('many batches give what one gives', async () => {
  await using small = await probedWeave({ cells: 512 });
  await using large = await probedWeave();
  const chunks = await someChunks(large.engine, 12, 3);
  const sets = chunks.flatMap((a, i) => (i > 0 ? [[chunks[i - 1]!, a]] : [[a]]));
  const few = await large.weave.probe.losses(sets, { question });
  const many = await small.weave.probe.losses(sets, { question });
  expect(many.work.batches).toBeGreaterThan(few.work.batches);
  for (const [i, losses] of few.sets.entries()) {
    for (const [t, loss] of losses.entries()) expect(many.sets[i]![t]).toBeCloseTo(loss, 4);
  }
});

test('what is missing is encoded and kept, or left out and named', async () => {
  const store = memoryStore();
  await using made = await probedWeave({ store });
  const { engine, weave } = made;
  const [a, b] = await someChunks(engine, 2);
  await weave.probe.losses([[a!]], { question });
  const left = await weave.probe.losses([[a!, b!], [b!], []], { question, missing: 'leave' });
  expect(left.missing).toEqual([b!.id]);
  const bare = await weave.probe.losses([[a!], []], { question });
  expect(left.sets[0]).toEqual(bare.sets[0]);
  expect(left.sets[1]).toEqual(bare.sets[1]);
  expect(left.sets[2]).toEqual(bare.sets[1]);
  const whole = await weave.probe.losses([[a!, b!]], { question });
  expect(whole.missing).toEqual([]);
  expect(whole.sets[0]).not.toEqual(bare.sets[0]);
  const again = await weave.probe.losses([[b!]], { question, missing: 'leave' });
  expect(again.missing).toEqual([]);
});

test('refuses an empty question and a set that no cells can hold, and goes on', async () => {
  await using made = await probedWeave({ cells: 256 });
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 12, 4);
  await expect(weave.probe.losses([[]], { question: ' ' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(weave.probe.losses([chunks], { question })).rejects.toMatchObject({
    code: 'CONTEXT_OVERFLOW',
  });
  const { sets } = await weave.probe.losses([[chunks[0]!]], { question });
  expect(sets[0]!.length).toBeGreaterThan(0);
});

test('an abort or a failure gives all cells back', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 6);
  const sets = chunks.map((chunk) => [chunk]);
  const controller = new AbortController();
  const running = weave.probe.losses(sets, { question, signal: controller.signal });
  controller.abort();
  await expect(running).rejects.toMatchObject({ name: 'AbortError' });
  engine.failNext(new Error('no'), 1);
  await expect(weave.probe.losses(sets, { question })).rejects.toThrow('no');
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
  expect((await weave.probe.losses(sets, { question })).sets).toHaveLength(6);
});

test('computing everything again gives what a full prefill does, a share something nearer to it', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 6, 5);
  const sets = [chunks.slice(0, 4), [chunks[2]!, chunks[5]!], [chunks[1]!], []];
  const full: number[][] = [];
  for (const set of sets) full.push(await prefilledLosses(engine, set, question));
  const off = async (refresh: number): Promise<number[]> => {
    const { sets: losses } = await weave.probe.losses(sets, { question, refresh });
    return losses.map((own, i) =>
      own.reduce((sum, loss, t) => sum + Math.abs(loss - full[i]![t]!), 0),
    );
  };
  const [none, all] = [await off(0), await off(1)];
  for (const distance of all) expect(distance).toBeLessThan(1e-3);
  // What stands right behind the prefix is exact as it is.
  expect(none[2]).toBeLessThan(1e-3);
  expect(none[3]).toBeLessThan(1e-3);
  expect(none[0]).toBeGreaterThan(1e-2);
  const half = await off(0.5);
  expect(half[0]).not.toBeCloseTo(none[0]!, 3);
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('what is computed again is counted, and a question looks once', async () => {
  await using made = await probedWeave();
  const { engine, weave } = made;
  const chunks = await someChunks(engine, 5, 6);
  await weave.probe.losses([chunks], { question });
  const before = engine.counters.rowLayers;
  const first = await weave.probe.losses([chunks], { question, refresh: 0.2 });
  expect(first.work.layerTokens).toBe(engine.counters.rowLayers - before);
  const again = await weave.probe.losses([chunks], { question, refresh: 0.2 });
  const asked = (await engine.tokenizer.encode(`Question: ${question}`)).ids.length;
  const layout = await createPromptLayout(engine, { system: 'Be brief.' });
  const later = chunks.slice(1).reduce((sum, chunk) => sum + layout.passage(chunk).length, 0);
  expect(again.work.layerTokens).toBe((asked + Math.round(0.2 * later)) * engine.model.layers);
  expect(first.work.layerTokens).toBeGreaterThan(again.work.layerTokens);
  expect(again.sets).toEqual(first.sets);
  await expect(weave.probe.losses([chunks], { question, refresh: 2 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});
