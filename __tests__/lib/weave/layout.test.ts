import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type Answer,
  deviationPolicy,
  dualStagePolicy,
  fullPolicy,
  nonePolicy,
  type PassageLayout,
  type Span,
  type WovenPrompt,
} from '../../../lib/index.js';
import { createPromptLayout, joinPrompt } from '../../../lib/prompt.js';
import { FakeEngine } from '../../../lib/testing/index.js';
import { largestDifference, watchLogits } from '../../support/logits-watch.js';
import { disposeAll, indexedWeave, question } from './support.js';
import { book, closeAll, paragraph, plenty, spy, warmWeave } from './warmup-support.js';

afterEach(disposeAll);
afterEach(closeAll);

function expectSum({ usage }: Answer): void {
  expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
}

const tokensOf = ({ tokens }: WovenPrompt, { start, end }: Span) => tokens.slice(start, end);

/** Each passage computed after the prefix by itself, then the question over all of them, without a weave. */
async function bySets(engine: FakeEngine, prompt: WovenPrompt): Promise<Float32Array> {
  const arena = await engine.createArena({ cells: 2000 });
  const prefix = arena.createSequence();
  await prefix.append(tokensOf(prompt, prompt.prefix), { logits: 'none' });
  const all = prefix.fork();
  let longest = 0;
  for (const span of prompt.passages.toReversed()) {
    const own = prefix.fork();
    await own.append(tokensOf(prompt, span), { logits: 'none' });
    all.adopt(own, { start: prefix.length, end: own.length });
    longest = Math.max(longest, span.end - span.start);
  }
  const asked = tokensOf(prompt, prompt.question);
  const positions = asked.map((_, i) => prefix.length + longest + i);
  const { logits } = await all.append(asked, { positions });
  await arena.dispose();
  return logits!.values;
}

describe('set', () => {
  const layout = 'set';

  test('all passages stand right after the prefix, the question after the longest', async () => {
    const { weave } = await indexedWeave({ layout });
    const prompt = await weave.prompt(question);
    const sequence = await weave.prompt(question, { layout: 'sequence' });
    expect(prompt.tokens).toEqual(sequence.tokens);
    expect(sequence.positions).toEqual(sequence.tokens.map((_, i) => i));
    const lengths = prompt.passages.map(({ start, end }) => end - start);
    for (const { start, end } of prompt.passages) {
      const places = prompt.positions.slice(start, end);
      expect(places).toEqual(places.map((_, i) => prompt.prefix.end + i));
    }
    expect(prompt.positions[prompt.question.start]).toBe(prompt.prefix.end + Math.max(...lengths));
    expect(prompt.positions.at(-1)! - prompt.positions[prompt.question.start]!).toBe(
      prompt.question.end - prompt.question.start - 1,
    );
  });

  test('reuse is exact with nothing computed again, and says so', async () => {
    const { weave, engine } = await indexedWeave({ layout, topK: 3, maxTokens: 2 });
    const rows = watchLogits(engine);
    await weave.ask(question);
    // Whatever policy is wanted: computing a token again would let it see the other passages.
    const woven = await weave.ask(question, { policy: fullPolicy() });
    const full = await weave.ask(question, { reuse: 'full' });
    expect(woven.plan).toMatchObject({ policy: 'none', passages: [] });
    expect(woven.notes).toEqual([expect.stringContaining('nothing is computed again')]);
    const prompt = await weave.prompt(question);
    expect(woven.usage).toMatchObject({
      cached: prompt.question.start,
      recomputed: 0,
      fresh: prompt.question.end - prompt.question.start,
    });
    expectSum(full);
    const expected = await bySets(engine, prompt);
    for (const start of [0, 2, 4])
      expect(largestDifference(rows[start]!, expected)).toBeLessThan(1e-5);
    for (let i = 0; i < 2; i++) {
      expect(largestDifference(rows[2 + i]!, rows[4 + i]!)).toBeLessThan(1e-5);
    }
    expect(woven.text).toBe(full.text);
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
  });

  test('the order of passages means nothing, unlike in a sequence', async () => {
    const { weave, engine } = await indexedWeave({ maxTokens: 1, policy: nonePolicy() });
    const rows = watchLogits(engine);
    const change = async (one: PassageLayout) => {
      rows.length = 0;
      const orders: string[][] = [];
      for (const order of ['reading', 'rank'] as const) {
        const { sources } = await weave.ask(question, { layout: one, order });
        orders.push(sources.map(({ chunkId }) => chunkId));
      }
      expect(orders[0]).not.toEqual(orders[1]);
      return largestDifference(rows[0]!, rows[1]!);
    };
    expect(await change('set')).toBeLessThan(1e-5);
    expect(await change('sequence')).toBeGreaterThan(1e-3);
  });

  test('KV that saw more than the prefix is not taken', async () => {
    const guide = book('guide.md', 8);
    const { policy, seen } = spy();
    const { weave } = await warmWeave({ policy });
    await weave.ingest([guide], plenty);
    const asked = paragraph('guide.md', 5);
    const { sources } = await weave.ask(asked, { layout });
    expect(sources).toHaveLength(3);
    expect(sources.map(({ encodedAfter }) => encodedAfter)).toEqual(['prefix', 'prefix', 'prefix']);
    expect(seen).toEqual([]);
  });

  test('one passage is what it is in a sequence', async () => {
    const { weave, engine } = await indexedWeave({ topK: 1, maxTokens: 1 });
    const rows = watchLogits(engine);
    await weave.ask(question, { layout });
    await weave.ask(question);
    expect(rows[0]).toEqual(rows[1]);
  });
});

describe.each(['twice', 'around'] as const)('%s', (layout) => {
  test('with everything computed again it is what a full prefill gives', async () => {
    const { weave, engine } = await indexedWeave({ layout, topK: 2, maxTokens: 2 });
    await weave.ask(question);
    const rows = watchLogits(engine);
    const woven = await weave.ask(question, { policy: fullPolicy() });
    const full = await weave.ask(question, { reuse: 'full' });
    const nothing = await weave.ask(question, { policy: nonePolicy(), maxTokens: 1 });
    for (const answer of [woven, full, nothing]) expectSum(answer);
    const { tokens } = await weave.prompt(question);
    expect(woven.usage.prompt).toBe(tokens.length);
    const arena = await engine.createArena({ cells: 2000 });
    const { logits } = await arena.createSequence().append(tokens);
    expect(largestDifference(rows[0]!, logits!.values)).toBeLessThan(1e-4);
    expect(largestDifference(rows[2]!, logits!.values)).toBeLessThan(1e-6);
    expect(woven.text).toBe(full.text);
    expect(largestDifference(rows[4]!, logits!.values)).toBeGreaterThan(1e-3);
  });

  test.each([deviationPolicy({ ratio: 0.4 }), dualStagePolicy({ ratio: 0.4 })])(
    'a policy that narrows works, and comes closer: $name',
    async (policy) => {
      const { weave, engine } = await indexedWeave({ layout, topK: 2, maxTokens: 1 });
      await weave.ask(question);
      const rows = watchLogits(engine);
      const answer = await weave.ask(question, { policy });
      await weave.ask(question, { policy: fullPolicy() });
      await weave.ask(question, { policy: nonePolicy() });
      expectSum(answer);
      expect(answer.usage.recomputed).toBeGreaterThan(0);
      expect(largestDifference(rows[0]!, rows[1]!)).toBeLessThan(
        largestDifference(rows[2]!, rows[1]!),
      );
    },
  );

  test('nothing found asks the question, with no passages', async () => {
    const { weave } = await indexedWeave({ layout, maxTokens: 2, whenNothingFound: 'answer' });
    const answer = await weave.ask('Zyzzyva?');
    expectSum(answer);
    expect(answer.usage.generated).toBe(2);
  });
});

test('twice: passages and question, then all of it again, from the same KV', async () => {
  const { weave, engine } = await indexedWeave({ layout: 'twice', maxTokens: 1 });
  const prompt = await weave.prompt(question);
  const { passages, again, earlier, question: asked } = prompt;
  expect(again).toHaveLength(4);
  for (const [i, span] of passages.entries()) {
    expect(tokensOf(prompt, again[i]!)).toEqual(tokensOf(prompt, span));
  }
  expect([earlier!.start, earlier!.end]).toEqual([passages.at(-1)!.end, again[0]!.start]);
  expect(asked).toEqual({ start: again.at(-1)!.end, end: prompt.tokens.length });
  expect(engine.tokenizer.decode(tokensOf(prompt, earlier!))).toBe(`Question: ${question}\n\n`);
  // Computed once for both of its places.
  const first = await weave.ask(question, { policy: nonePolicy() });
  const half = again.at(-1)!.end - again[0]!.start;
  expect(first.usage.cached).toBe(half);
  const second = await weave.ask(question, { policy: nonePolicy() });
  expect(second.usage.cached).toBe(prompt.prefix.end + 2 * half);
  expect(second.sources).toHaveLength(4);
});

test('twice: passages that do not fit twice are left out', async () => {
  const { weave } = await indexedWeave({ maxTokens: 2 });
  const { tokens, prefix, question: asked } = await weave.prompt(question);
  const passages = asked.start - prefix.end;
  const { weave: small } = await indexedWeave({
    cells: tokens.length + (passages >> 1),
    maxTokens: 2,
  });
  const once = await small.ask(question);
  const twice = await small.ask(question, { layout: 'twice' });
  expect(once.sources).toHaveLength(4);
  expect(twice.sources.length).toBeLessThan(4);
  expect(twice.notes[0]).toMatch(/left out/);
  expectSum(twice);
});

test('around: the question stands before the passages as well, so none of them is exact', async () => {
  const { weave } = await indexedWeave({
    maxTokens: 1,
    prompt: { earlier: (text) => `Think of: ${text}` },
  });
  const engine = new FakeEngine();
  const prompt = await weave.prompt(question, { layout: 'around' });
  expect(prompt.earlier).toEqual({ start: prompt.prefix.end, end: prompt.passages[0]!.start });
  expect(engine.tokenizer.decode(tokensOf(prompt, prompt.earlier!))).toBe(
    `Think of: ${question}\n\n`,
  );
  const { policy, seen } = spy();
  await weave.ask(question, { layout: 'around', policy });
  expect(seen.map(({ exact }) => exact)).toEqual([false, false, false, false]);
  expect(seen[0]!.position).toBe(prompt.passages[0]!.start);
});

test('both answers of a comparison are to one layout', async () => {
  for (const layout of ['set', 'twice', 'around'] as const) {
    const { weave } = await indexedWeave({ layout, topK: 2, maxTokens: 1 });
    const { woven, full } = await weave.compare(question);
    expect(full.usage.prompt).toBe(woven.usage.prompt);
  }
});

test('a prompt without passages, and one with an empty prefix, can be laid out', async () => {
  const layout = await createPromptLayout(new FakeEngine());
  const asked = await layout.question('why?');
  const earlier = await layout.earlier('why?');
  const none = new Int32Array(0);
  const alone = joinPrompt({ prefix: none, passages: [], earlier, question: asked }, 'twice');
  expect(alone).toMatchObject({ passages: [], again: [], question: { start: 0 } });
  expect(alone.tokens).toEqual(asked);
  const set = joinPrompt(
    { prefix: none, passages: [Int32Array.of(5, 6), Int32Array.of(7)], question: asked },
    'set',
  );
  expect(set.positions.slice(0, 4)).toEqual(Int32Array.of(0, 1, 0, 2));
});

test('no other layout', async () => {
  const { weave } = await indexedWeave();
  for (const layout of ['pile', '', null]) {
    await expect(
      weave.ask(question, { layout: layout as unknown as PassageLayout }),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
});
