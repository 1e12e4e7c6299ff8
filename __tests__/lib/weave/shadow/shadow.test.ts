import { afterEach, describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  fidelityTarget,
  fullPolicy,
  hybridPolicy,
  InvalidArgumentError,
  nonePolicy,
  type ShadowOptions,
  type ShadowResult,
  type Weave,
} from '../../../../lib/index.js';
import { compareRows, mean } from '../../../../lib/evaluate/index.js';
import { seededRandom } from '../../../../lib/random.js';
import type { FakeEngine } from '../../../../lib/testing/index.js';
import { disposeAll, indexedWeave, question } from '../support.js';

afterEach(disposeAll);

const other = 'What does the brass compass from the harbour office do?';

/** A weave whose answers are checked, and the results so far. */
async function shadowed(
  shadow: Partial<ShadowOptions> = {},
  options: Parameters<typeof indexedWeave>[0] = {},
) {
  const results: ShadowResult[] = [];
  const onResult = (result: ShadowResult) => void results.push(result);
  const made = await indexedWeave({
    policy: nonePolicy(),
    ...options,
    shadow: { rate: 1, onResult, ...shadow },
  });
  const until = async (count: number) => {
    while (results.length < count) await sleep(5);
  };
  return { ...made, results, until };
}

async function statsOf(weave: Weave) {
  const { shadow } = await weave.stats();
  return shadow!;
}

/** Keeps the rows that tokens are chosen from, and the tokens. */
function watchSampler(engine: FakeEngine) {
  const seen = { rows: [] as Float32Array[], tokens: [] as number[] };
  const create = engine.createSampler.bind(engine);
  engine.createSampler = async (options) => {
    const sampler = await create(options);
    const sample = sampler.sample.bind(sampler);
    sampler.sample = async (logits) => {
      seen.rows.push(logits.slice());
      const token = await sample(logits);
      seen.tokens.push(token);
      return token;
    };
    return sampler;
  };
  return seen;
}

function joinedRows(rows: readonly Float32Array[], vocabSize: number) {
  const values = new Float32Array(rows.length * vocabSize);
  for (const [i, row] of rows.entries()) values.set(row, i * vocabSize);
  return { values, vocabSize };
}

test('a result is what the same prompt and answer give when computed apart', async () => {
  const { weave, engine, results, until } = await shadowed({}, { maxTokens: 40 });
  const { vocabSize } = engine.model;
  const { tokens: prompt } = await weave.prompt(question);
  const seen = watchSampler(engine);
  const answer = await weave.ask(question);
  await until(1);

  const rows = seen.rows.length;
  const arena = await engine.createArena({ cells: 1024 });
  const all = await arena
    .createSequence()
    .append(Int32Array.from([...prompt, ...seen.tokens.slice(0, -1)]), { logits: 'all' });
  const values = all.logits!.values.slice(-rows * vocabSize);
  const { kl, agrees } = compareRows({ values, vocabSize }, joinedRows(seen.rows, vocabSize));

  const [result] = results;
  expect(rows).toBeGreaterThan(20);
  expect(result).toMatchObject({ question, tokens: rows, tripped: false });
  expect(result!.agreement).toBeCloseTo(mean(agrees), 12);
  // All but the likeliest 64 of some 300 tokens are taken together, which hides a part.
  expect(result!.kl).toBeGreaterThan(0.1 * mean(kl));
  expect(result!.kl).toBeLessThanOrEqual(mean(kl));
  expect(result!.kl).toBeCloseTo(lumped(seen.rows, values, vocabSize), 6);
  expect(result!.recent).toEqual({ results: 1, kl: result!.kl, agreement: result!.agreement });
  expect(answer.usage.generated).toBeGreaterThan(20);
  expect((await weave.stats()).cells.free).toBe((await weave.stats()).cells.total);
});

/** Mean divergence where tokens beyond the likeliest 64 of the woven row are one. */
function lumped(woven: readonly Float32Array[], full: Float32Array, vocabSize: number): number {
  return mean(
    woven.map((row, i) => {
      const p = shares(full.subarray(i * vocabSize, (i + 1) * vocabSize));
      const q = shares(row);
      const top = [...row.keys()].toSorted((a, b) => row[b]! - row[a]! || a - b).slice(0, 64);
      const rest = (list: readonly number[]) =>
        1 - top.reduce((sum, token) => sum + list[token]!, 0);
      const terms = top.map((token) => p[token]! * Math.log(p[token]! / q[token]!));
      return terms.reduce((a, b) => a + b, 0) + rest(p) * Math.log(rest(p) / rest(q));
    }),
  );
}

function shares(logits: Float32Array): number[] {
  const weights = Array.from(logits, (logit) => Math.exp(logit));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

test('what is computed anew in every passage is as good as a full prefill', async () => {
  const { weave, results, until } = await shadowed({}, { policy: fullPolicy() });
  await weave.ask(question);
  await until(1);
  expect(results[0]!.kl).toBeLessThan(1e-8);
  expect(results[0]!.agreement).toBe(1);
});

test('the seed says which answers are checked, the rate how many', async () => {
  const questions = Array.from({ length: 9 }, (_, i) => `${question} ${i}`);
  const { weave, results, until } = await shadowed(
    { rate: 0.4, seed: 7 },
    { maxTokens: 1, topK: 1 },
  );
  for (const one of questions) await weave.ask(one);
  const random = seededRandom(7);
  const expected = questions.filter(() => random() < 0.4);
  expect(expected.length).toBeGreaterThan(1);
  expect(expected.length).toBeLessThan(7);
  expect(await statsOf(weave)).toMatchObject({ sampled: expected.length });
  await until(expected.length);
  expect(results.map((result) => result.question)).toEqual(expected);
});

test('what was not woven is not checked', async () => {
  const { weave } = await shadowed();
  await weave.ask(question, { reuse: 'full' });
  await weave.ask('zzz', { whenNothingFound: 'answer' });
  await weave.ask('zzz');
  await weave.compare(question);
  expect(await statsOf(weave)).toEqual({
    sampled: 0,
    checked: 0,
    pending: 0,
    dropped: 0,
    failed: 0,
    tripped: false,
  });
  const { weave: plain } = await indexedWeave();
  expect(await plain.stats()).not.toHaveProperty('shadow');
  plain.resetShadow();
});

/** Until the engine computes something that nobody waits for. */
async function untilChecking(engine: FakeEngine): Promise<void> {
  const before = engine.counters.layers;
  while (engine.counters.layers === before) await sleep(1);
}

describe('an ask comes while a check runs', () => {
  const fake = { latency: { perLayer: 5 } };

  test('nothing of the check is computed before the ask is through, and then it is', async () => {
    const { weave, engine, results, until } = await shadowed({}, { fake });
    // What the second ask takes by itself.
    const { weave: alone, engine: engineAlone } = await indexedWeave({ policy: nonePolicy() });
    await alone.ask(question);
    const atStart = engineAlone.counters.rowLayers;
    await alone.ask(other);
    const cost = engineAlone.counters.rowLayers - atStart;

    await weave.ask(question);
    await untilChecking(engine);
    const before = engine.counters.rowLayers;
    const answer = await weave.ask(other);
    // Of the check, at most the layer that had begun.
    const { tokens: prompt } = await weave.prompt(question);
    const spent = engine.counters.rowLayers - before;
    expect(spent).toBeGreaterThanOrEqual(cost);
    expect(spent).toBeLessThanOrEqual(cost + prompt.length);
    expect(results).toEqual([]);
    expect(answer.reuse).toBe('woven');

    await until(2);
    expect(results.map((result) => result.question)).toEqual([question, other]);
    expect(await statsOf(weave)).toMatchObject({ sampled: 2, checked: 2, pending: 0, failed: 0 });
  });

  test('asks find their cells also when the check holds all that there are', async () => {
    const { weave: measure } = await indexedWeave();
    const { tokens } = await measure.prompt(question);
    const { weave, engine, until } = await shadowed({}, { fake, cells: tokens.length + 8 });
    const { text } = await weave.ask(question);
    await untilChecking(engine);
    const again = await weave.ask(question);
    expect(again.text).toBe(text);
    await until(2);
    const { cells } = await weave.stats();
    expect(cells.free).toBe(cells.total);
  });

  test('dispose ends a check and waits for it', async () => {
    const { weave, engine, results } = await shadowed({}, { fake });
    await weave.ask(question);
    await untilChecking(engine);
    await weave.dispose();
    const { layers } = engine.counters;
    await sleep(150);
    expect(engine.counters.layers).toBe(layers);
    expect(results).toEqual([]);
  });
});

test('past the bound questions are answered in full, until it is reset', async () => {
  const { weave, results, until } = await shadowed(
    { maxKl: 0, window: 2 },
    { policy: nonePolicy() },
  );
  await weave.ask(question);
  await until(1);
  // One result is not yet a window.
  expect(results[0]).toMatchObject({ tripped: false });
  const before = await weave.ask(other);
  expect(before.reuse).toBe('woven');
  await until(2);
  expect(results[1]).toMatchObject({ tripped: true, recent: { results: 2 } });
  expect(results[1]!.recent.kl).toBeCloseTo((results[0]!.kl + results[1]!.kl) / 2, 12);
  expect(await statsOf(weave)).toMatchObject({ tripped: true, checked: 2 });

  const after = await weave.ask(question);
  expect(after.reuse).toBe('full');
  expect(after.usage).toMatchObject({ cached: 0, recomputed: 0 });
  expect(after.notes.join()).toContain('resetShadow()');
  for await (const event of weave.stream(question)) {
    if (event.type === 'answer') expect(event.answer.reuse).toBe('full');
  }
  const explicit = await weave.ask(question, { reuse: 'woven' });
  expect(explicit.reuse).toBe('woven');
  expect(explicit.notes).toEqual([]);
  await until(3);
  // It is told once.
  expect(results[2]).toMatchObject({ tripped: false });

  weave.resetShadow();
  expect(await statsOf(weave)).toMatchObject({ tripped: false, checked: 3 });
  expect(await statsOf(weave)).not.toHaveProperty('recent');
  expect((await weave.ask(question)).reuse).toBe('woven');
});

test('within the bound weaving goes on', async () => {
  const { weave, until } = await shadowed({ maxKl: 1e-6, window: 1 }, { policy: fullPolicy() });
  await weave.ask(question);
  await until(1);
  expect((await weave.ask(question)).reuse).toBe('woven');
});

test('the window holds the last results only', async () => {
  const { weave, results, until } = await shadowed({ window: 2 });
  for (const [i, one] of [question, other, question].entries()) {
    await weave.ask(one);
    await until(i + 1);
  }
  const [, second, third] = results;
  expect(third!.recent.results).toBe(2);
  expect(third!.recent.kl).toBeCloseTo((second!.kl + third!.kl) / 2, 12);
});

test('a check that fails is counted and harms nothing', async () => {
  const { weave, engine, until } = await shadowed();
  await weave.ask(question);
  engine.failNext(new Error('device lost'));
  while ((await statsOf(weave)).failed === 0) await sleep(5);
  expect(await statsOf(weave)).toMatchObject({ checked: 0, pending: 0 });
  expect((await statsOf(weave)).problem).toContain('device lost');
  await weave.ask(question);
  await until(1);
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('a listener that throws is not called again', async () => {
  let calls = 0;
  const onResult = () => {
    calls++;
    throw new Error('not today');
  };
  const { weave } = await shadowed({ onResult });
  await weave.ask(question);
  await weave.ask(other);
  while ((await statsOf(weave)).checked < 2) await sleep(5);
  expect(calls).toBe(1);
  expect(await statsOf(weave)).toMatchObject({ failed: 0 });
});

test.each([
  { rate: 1.1 },
  { rate: NaN },
  { maxKl: -1 },
  { window: 0 },
  { window: 1.5 },
  { seed: 0.5 },
])('%j is refused', async (shadow) => {
  await expect(shadowed(shadow)).rejects.toThrow(InvalidArgumentError);
});

describe('a fidelity target', () => {
  test('hears of each check, and of none of answers that another policy planned', async () => {
    const target = fidelityTarget({ kl: 0.001 });
    const policy = hybridPolicy({ budget: target });
    const { weave, results, until } = await shadowed({}, { policy });
    await weave.ask(question);
    await until(1);
    const twin = fidelityTarget({ kl: 0.001 });
    twin.observe({ kl: results[0]!.kl });
    await sleep(0);
    expect([target.checks, target.coverage]).toEqual([1, twin.coverage]);
    await weave.ask(question, { policy: nonePolicy() });
    await until(2);
    expect(target.checks).toBe(1);
    const chat = weave.chat();
    await chat.ask(question);
    await until(3);
    await sleep(0);
    expect(target.checks).toBe(2);
  });

  test('is not moved by a layout in which nothing is computed again', async () => {
    const target = fidelityTarget({ kl: 0.001 });
    const policy = hybridPolicy({ budget: target });
    const { weave, until } = await shadowed({}, { policy, layout: 'set', warmup: 'prefix' });
    await weave.ask(question);
    await until(1);
    await sleep(0);
    expect(target.checks).toBe(0);
  });

  test('is refused where nothing is measured', async () => {
    const policy = hybridPolicy({ budget: fidelityTarget({ kl: 0.01 }) });
    await expect(indexedWeave({ policy })).rejects.toThrow(InvalidArgumentError);
    await expect(indexedWeave({ policy, shadow: { rate: 0 } })).rejects.toThrow('shadow');
    const { weave } = await indexedWeave({});
    await expect(weave.ask(question, { policy })).rejects.toThrow('shadow');
    expect(() => weave.chat({ policy })).toThrow('shadow');
  });

  test('a policy that throws when it is told is a problem of its own', async () => {
    const policy = {
      ...nonePolicy(),
      observe() {
        throw new Error('not now');
      },
    };
    const { weave, until } = await shadowed({}, { policy });
    await weave.ask(question);
    await until(1);
    await sleep(0);
    const { checked, failed, problem } = await statsOf(weave);
    expect([checked, failed, problem]).toEqual([1, 0, 'none: Error: not now']);
  });
});
