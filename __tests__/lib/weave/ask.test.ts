import { afterEach, describe, expect, test } from '@jest/globals';
import {
  type Answer,
  fullPolicy,
  memoryStore,
  nonePolicy,
  questionPolicy,
  type RecomputePolicy,
} from '../../../lib/index.js';
import { largestDifference, watchLogits } from '../../support/logits-watch.js';
import { disposeAll, documents, indexedWeave, question, testWeave } from './support.js';

afterEach(disposeAll);

async function fail(): Promise<never> {
  throw new Error('down');
}

function expectSum({ usage }: Answer): void {
  expect(usage.cached + usage.recomputed + usage.fresh).toBe(usage.prompt);
}

test('an answer carries its sources as exact spans of the documents', async () => {
  const { weave } = await indexedWeave();
  const answer = await weave.ask(question);
  expect(answer.text.length).toBeGreaterThan(0);
  expect(answer.sources.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  for (const source of answer.sources) {
    const document = documents.find(({ id }) => id === source.documentId)!;
    expect(document.text.slice(source.start, source.end)).toBe(source.text);
    expect(source.title).toBe(document.title);
    expect(source.source).toBe(document.source);
  }
  expect(answer.sources.some(({ text }) => text.includes('Marta Quill'))).toBe(true);
});

test('usage adds up: first fresh, then cached and recomputed', async () => {
  const { weave } = await indexedWeave();
  const { prefix, question: asked, tokens } = await weave.prompt(question);
  const first = await weave.ask(question);
  expectSum(first);
  expect(first.usage).toMatchObject({ prompt: tokens.length, cached: 0, recomputed: 0 });
  expect(first.sources.every(({ cached }) => !cached)).toBe(true);

  const second = await weave.ask(question, { policy: questionPolicy({ ratio: 0.15 }) });
  expectSum(second);
  const passages = asked.start - prefix.end;
  expect(second.usage.recomputed).toBe(Math.round(0.15 * passages));
  expect(second.usage.fresh).toBe(asked.end - asked.start);
  expect(second.sources.every(({ cached }) => cached)).toBe(true);
  expect(second.usage.generated).toBe(8);
});

test('a cached answer is the answer that the first ask gave', async () => {
  const { weave, engine } = await indexedWeave();
  const rows = watchLogits(engine);
  const first = await weave.ask(question);
  const second = await weave.ask(question);
  expect(second.text).toBe(first.text);
  expect(rows[8]).toEqual(rows[0]);
});

test('with everything recomputed the logits are those of a plain prefill', async () => {
  const { weave, engine } = await indexedWeave();
  await weave.ask(question);
  const rows = watchLogits(engine);
  const woven = await weave.ask(question, { policy: fullPolicy() });
  const full = await weave.ask(question, { reuse: 'full' });
  expect(full.usage).toMatchObject({ cached: 0, recomputed: 0, fresh: full.usage.prompt });
  expect(woven.usage.prompt).toBe(full.usage.prompt);
  expectSum(woven);
  expect(woven.text).toBe(full.text);
  for (let i = 0; i < 8; i++) expect(largestDifference(rows[i]!, rows[8 + i]!)).toBeLessThan(1e-4);

  const { tokens } = await weave.prompt(question);
  const arena = await engine.createArena({ cells: 512 });
  const { logits } = await arena.createSequence().append(tokens);
  expect(largestDifference(rows[8]!, logits!.values)).toBeLessThan(1e-6);
});

test('more recomputation comes closer to the plain prefill', async () => {
  const { weave, engine } = await indexedWeave();
  await weave.ask(question);
  const rows = watchLogits(engine);
  const differences: number[] = [];
  await weave.ask(question, { reuse: 'full', maxTokens: 1 });
  for (const policy of [nonePolicy(), questionPolicy({ ratio: 0.5 }), fullPolicy()]) {
    await weave.ask(question, { policy, maxTokens: 1 });
    differences.push(largestDifference(rows[0]!, rows.at(-1)!));
  }
  expect(differences[0]).toBeGreaterThan(differences[2]! + 1e-3);
  expect(differences[1]).toBeGreaterThan(differences[2]!);
});

test('one passage right after the prefix needs no repair', async () => {
  const { weave, engine } = await indexedWeave({ topK: 1 });
  const rows = watchLogits(engine);
  const answer = await weave.ask(question);
  await weave.ask(question, { reuse: 'full' });
  expect(answer.plan?.passages).toEqual([]);
  expect(largestDifference(rows[0]!, rows[8]!)).toBeLessThan(1e-4);
});

test('refresh and question are computed in one batch', async () => {
  const { weave, engine } = await indexedWeave();
  await weave.ask(question);
  const before = engine.counters.layers;
  await weave.ask(question, { maxTokens: 1, policy: questionPolicy({ ratio: 1 }) });
  // The probe stops after its last layer; then one batch goes through all layers.
  const { probeLayers, layers } = engine.model;
  expect(engine.counters.layers - before).toBe(probeLayers.at(-1)! + 1 + layers);
});

test('another weave of the same model over the same store finds everything', async () => {
  const store = memoryStore();
  const { weave } = await indexedWeave({ store });
  const first = await weave.ask(question);
  await weave.dispose();
  const { weave: other } = await indexedWeave({ store });
  const answer = await other.ask(question);
  expect(answer.text).toBe(first.text);
  expect(answer.usage.fresh).toBeLessThan(100);
  expect(answer.sources.every(({ cached }) => cached)).toBe(true);
  expectSum(answer);
});

describe('KV is not used', () => {
  test.each([
    ['by another tenant', { tenant: 'someone else' }],
    ['after another system message', { system: 'Answer in verse.' }],
    ['by another model', { fake: { seed: 2 } }],
    ['with other words around passages', { prompt: { instructions: 'Read:\n' } }],
  ])('%s', async (_, options) => {
    const store = memoryStore();
    // One that does not know whose records it keeps is not refused: keys alone must tell them apart.
    (store as { access?: unknown }).access = undefined;
    const { weave } = await indexedWeave({ store });
    await weave.ask(question);
    const { weave: other } = await indexedWeave({ store, ...options });
    const answer = await other.ask(question);
    expect(answer.usage.cached).toBe(0);
  });
});

test('a record of other tokens under the right key is not used', async () => {
  const store = memoryStore();
  const { weave } = await indexedWeave({ store });
  const first = await weave.ask(question);
  const keys: string[] = [];
  for await (const key of store.list()) keys.push(key);
  const records = await Promise.all(keys.map((key) => store.get(key)));
  for (const [i, key] of keys.entries()) {
    await store.put(key, records[(i + 1) % records.length]!);
  }
  const { weave: other } = await indexedWeave({ store });
  const answer = await other.ask(question);
  expect(answer.text).toBe(first.text);
  expect(answer.usage.cached).toBe(0);
});

test('a store that fails costs a prefill, not the answer', async () => {
  const store = memoryStore();
  Object.assign(store, { get: fail, put: fail, has: fail });
  const { weave } = await testWeave({ store });
  const report = await weave.ingest(documents, { budget: { milliseconds: 5000, bytes: 1e6 } });
  expect(report.kv.refused).toBeGreaterThan(0);
  const answer = await weave.ask(question);
  expect(answer.text.length).toBeGreaterThan(0);
  expectSum(answer);
});

test('passages stand in reading order, or by rank', async () => {
  const { weave } = await indexedWeave();
  const reading = await weave.prompt(question);
  const places = reading.sources.map(({ documentId, start }) => [documentId, start]);
  expect(places).toEqual([
    ['harbour.md', 0],
    ['harbour.md', expect.any(Number)],
    ['museum.md', 0],
    ['museum.md', expect.any(Number)],
  ]);
  const ranked = await weave.prompt(question, { order: 'rank' });
  const scores = ranked.sources.map(({ score }) => score);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
});

test('the same text in two documents is computed once and counted once', async () => {
  const { weave } = await testWeave();
  const [harbour] = documents;
  await weave.ingest([harbour!, { ...harbour!, id: 'copy.md' }], { budget: { milliseconds: 0 } });
  const answer = await weave.ask(question, { topK: 6 });
  expectSum(answer);
  expect(answer.usage.cached).toBeGreaterThan(0);
  expect(answer.sources.filter(({ cached }) => cached).map(({ documentId }) => documentId)).toEqual(
    answer.sources.filter(({ cached }) => cached).map(() => answer.sources.at(-1)!.documentId),
  );
});

test('nothing found gives an empty answer that says so', async () => {
  const { weave, engine } = await indexedWeave();
  const answer = await weave.ask('Zyzzyva?');
  expect(answer).toMatchObject({ text: '', finishReason: 'nothing-found', sources: [] });
  expect(answer.notes[0]).toMatch(/No passage matches/);
  expect(engine.counters.layers).toBe(0);
});

test('no documents at all is said as well', async () => {
  const { weave } = await testWeave();
  const answer = await weave.ask(question);
  expect(answer.finishReason).toBe('nothing-found');
  expect(answer.notes[0]).toMatch(/No documents were ingested/);
});

test('a question without passages can be asked all the same', async () => {
  const { weave } = await testWeave({ whenNothingFound: 'answer' });
  const answer = await weave.ask(question);
  expect(answer.usage.generated).toBe(8);
  expect(answer.notes[0]).toMatch(/from the model alone/);
  expect(answer.plan).toBeUndefined();
  expectSum(answer);
});

test('sampling, stop strings and the length of the answer are the caller’s', async () => {
  const { weave } = await indexedWeave();
  const greedy = await weave.ask(question, { maxTokens: 16 });
  expect(greedy).toMatchObject({ finishReason: 'length', usage: { generated: 16 } });
  const sampling = { temperature: 2, seed: 7 };
  const drawn = await weave.ask(question, { maxTokens: 16, sampling });
  expect(drawn.text).not.toBe(greedy.text);
  expect((await weave.ask(question, { maxTokens: 16, sampling })).text).toBe(drawn.text);
  const stop = [greedy.text.slice(2, 4)];
  const stopped = await weave.ask(question, { maxTokens: 16, stop });
  expect(stopped).toMatchObject({ finishReason: 'stop-string', text: greedy.text.slice(0, 2) });
});

test('timings are measured and the first token comes before the last', async () => {
  const { weave } = await indexedWeave();
  const { timings } = await weave.ask(question);
  expect(timings.encode).toBeGreaterThan(0);
  expect(timings.firstToken).toBeGreaterThan(timings.probe + timings.refresh);
  expect(timings.total).toBeGreaterThan(timings.firstToken);
  const parts = timings.retrieve + timings.wait + timings.load + timings.encode;
  expect(parts + timings.probe + timings.refresh).toBeLessThanOrEqual(timings.firstToken);
});

test('compare answers the very same prompt twice', async () => {
  const { weave } = await indexedWeave();
  await weave.ask(question);
  const { woven, full, speedup } = await weave.compare(question);
  expect(woven.reuse).toBe('woven');
  expect(full.reuse).toBe('full');
  expect(full.usage.prompt).toBe(woven.usage.prompt);
  expect(full.sources.map(({ chunkId }) => chunkId)).toEqual(
    woven.sources.map(({ chunkId }) => chunkId),
  );
  expect(speedup).toBe(full.timings.firstToken / woven.timings.firstToken);
});

describe('a policy that is wrong is named', () => {
  const plans: [string, RecomputePolicy['plan'], RegExp][] = [
    [
      'a token that is not there',
      () => ({
        policy: 'x',
        passages: [{ passage: 1, tokens: Int32Array.of(3, 999), reason: '' }],
      }),
      /"broken" wants token 999 of passage 1/,
    ],
    [
      'a token twice',
      () => ({ policy: 'x', passages: [{ passage: 0, tokens: Int32Array.of(3, 3), reason: '' }] }),
      /"broken" wants token 3 of passage 0 twice/,
    ],
    [
      'a passage that is not there',
      () => ({ policy: 'x', passages: [{ passage: 9, tokens: Int32Array.of(3), reason: '' }] }),
      /"broken" wants tokens of passage 9/,
    ],
    [
      'an error of its own',
      () => {
        throw new TypeError('oops');
      },
      /"broken" failed: TypeError: oops/,
    ],
  ];
  test.each(plans)('%s', async (_, plan, message) => {
    const { weave } = await indexedWeave();
    const policy = { name: 'broken', plan };
    await expect(weave.ask(question, { policy })).rejects.toMatchObject({
      code: 'POLICY',
      policy: 'broken',
      message: expect.stringMatching(message),
    });
    expect((await weave.ask(question)).text.length).toBeGreaterThan(0);
  });
});

test('a policy sees passages and can ask for attention by layer', async () => {
  const { weave, engine } = await indexedWeave();
  await weave.ask(question);
  const policy: RecomputePolicy = {
    name: 'curious',
    async plan({ passages, probes, questionTokens }) {
      expect(passages.map(({ exact }) => exact)).toEqual([true, false, false, false]);
      expect(passages.every(({ cached }) => cached)).toBe(true);
      const layers = [0, 2];
      const apart = await probes.questionAttention({ layers, perLayer: true });
      const summed = await probes.questionAttention({ layers });
      for (const [i, { tokens }] of passages.entries()) {
        const rows = apart.passages[i]!;
        expect(rows.length).toBe(2 * tokens.length);
        for (let t = 0; t < tokens.length; t++) {
          expect(rows[t]! + rows[tokens.length + t]!).toBeCloseTo(summed.passages[i]![t]!, 4);
        }
      }
      const mass = summed.passages.flatMap((row) => [...row]).reduce((a, b) => a + b);
      expect(mass).toBeLessThan(questionTokens * engine.model.heads * layers.length);
      return { policy: 'curious', passages: [], notes: ['looked around'] };
    },
  };
  const answer = await weave.ask(question, { policy });
  expect(answer.notes).toEqual(['looked around']);
  expect(answer.timings.probe).toBeGreaterThan(0);
});
