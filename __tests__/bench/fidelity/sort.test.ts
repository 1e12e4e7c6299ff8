import { expect, test } from '@jest/globals';
import { sortProbe, sortRight } from '../../../bench/fidelity/sort.js';
import { InvalidArgumentError, type KvSequence } from '../../../lib/index.js';
import { createPromptLayout } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { fakeLab } from './fake-lab.js';

const chunks = ['one', 'two', 'three', 'four'].map((name) => ({
  text: `${name} ${Array.from({ length: 20 }, (_, i) => `w${i}`).join(' ')}`,
}));

async function asked(settings: { pairs: number; seed: number }, list = chunks) {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine, { system: '', question: (text) => text });
  const probe = await sortProbe(engine, layout, list, settings);
  const texts = await Promise.all(
    probe.pairs.map(async ([a, b]) => [
      await engine.tokenizer.decode(a),
      await engine.tokenizer.decode(b),
    ]),
  );
  return { engine, probe, texts };
}

test('each pair is asked about both ways, the earlier passage first, then second', async () => {
  const { engine, probe, texts } = await asked({ pairs: 3, seed: 2 });
  expect(probe.answers).toEqual([
    (await engine.tokenizer.encode('1')).ids[0],
    (await engine.tokenizer.encode('2')).ids[0],
  ]);
  const order = chunks.map(({ text }) => text.split(' ')[0]);
  const seen = new Set<string>();
  for (const [straight, turned] of texts) {
    const [, a, b] = /Excerpt 1: "(.*)"\n\nExcerpt 2: "(.*)"/u.exec(straight!)!;
    expect(turned).toContain(`Excerpt 1: "${b}"\n\nExcerpt 2: "${a}"`);
    const [first, second] = [a, b].map((words) => words!.split(' '));
    expect(first).toHaveLength(12);
    expect(order.indexOf(first![0])).toBeLessThan(order.indexOf(second![0]));
    seen.add(`${first![0]} ${second![0]}`);
  }
  expect(seen.size).toBe(3);
  expect((await asked({ pairs: 3, seed: 2 })).texts).toEqual(texts);
  expect((await asked({ pairs: 3, seed: 3 })).texts).not.toEqual(texts);
});

test('there are no more pairs than passages give, and none of passages that begin alike', async () => {
  expect((await asked({ pairs: 99, seed: 1 })).texts).toHaveLength(6);
  expect((await asked({ pairs: 99, seed: 1 }, [...chunks, chunks[0]!])).texts).toHaveLength(9);
  expect((await asked({ pairs: 9, seed: 1 }, chunks.slice(1, 2))).texts).toHaveLength(0);
});

test('a model without single tokens to answer with is refused', async () => {
  const engine = new FakeEngine();
  const layout = await createPromptLayout(engine);
  const tokenizer = Object.create(engine.tokenizer) as typeof engine.tokenizer;
  tokenizer.encode = async () => ({ ids: Int32Array.of(7, 8), starts: Int32Array.of(0, 1) });
  const making = sortProbe({ tokenizer }, layout, chunks, { pairs: 1, seed: 1 });
  await expect(making).rejects.toThrow(InvalidArgumentError);
});

/** Gives each way of asking the logits of the answers 0 and 1 that are listed for it. */
function saying(logits: Readonly<Record<number, readonly [number, number]>>): KvSequence {
  const fork = () => ({
    append: async (ask: Int32Array) => ({
      logits: { values: Float32Array.from(logits[ask[0]!]!) },
    }),
    [Symbol.dispose]: () => {},
  });
  return { fork } as unknown as KvSequence;
}

test.each([
  ['right both ways', { 0: [2, 1], 1: [1, 2] }, 1],
  ['wrong both ways', { 0: [1, 2], 1: [2, 1] }, 0],
  ['always the first option', { 0: [5, 0], 1: [5, 0] }, 0],
  ['the first option, but less so where it is wrong', { 0: [5, 0], 1: [4, 0] }, 1],
  ['the second option, but more so where it is wrong', { 0: [0, 5], 1: [0, 4] }, 0],
] as const)('%s', async (_, logits, right) => {
  const pairs = [[Int32Array.of(0), Int32Array.of(1)]] as const;
  expect(await sortRight(saying(logits), 0, { answers: [0, 1], pairs })).toBe(right);
});

test('the lab asks a full prefill and what was computed again alike, and keeps no cells', async () => {
  const { lab, item, arena, engine } = await fakeLab({ sortPairs: 3 });
  expect(item.sort!.pairs).toHaveLength(3);
  const { free } = arena;
  const prepared = await lab.prepare(item);
  const result = await lab.run(prepared, { warmup: 'prefix', policy: 'full', ratio: 1 }, item);
  expect(result.sort).toBe(result.fullSort);
  expect(result.sortPairs).toBe(3);
  expect(arena.free).toBe(free);
  // The same from whole prompts, each computed from its first token.
  const stem = prepared.prompt.slice(0, prepared.prompt.length - item.ask.length);
  const [one, two] = item.sort!.answers;
  let right = 0;
  for (const pair of item.sort!.pairs) {
    const lean: number[] = [];
    for (const ask of pair) {
      using sequence = arena.createSequence();
      const { logits } = await sequence.append(Int32Array.of(...stem, ...ask));
      lean.push(logits!.values[one]! - logits!.values[two]!);
    }
    if (lean[0]! > lean[1]!) right++;
  }
  expect(result.fullSort).toBe(right / 3);
  await engine.dispose();
});

test('what was not asked for is not in the result', async () => {
  const { lab, item, engine } = await fakeLab();
  const prepared = await lab.prepare(item);
  const result = await lab.run(prepared, { warmup: 'prefix', policy: 'none', ratio: 0 }, item);
  expect(result).not.toHaveProperty('sort');
  expect(result).not.toHaveProperty('fullSort');
  await engine.dispose();
});
