import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { FakeEngineOptions } from '../../../lib/testing/index.js';
import {
  FakeEngine,
  FakeTokenizer,
  seededNormals,
  seededRandom,
} from '../../../lib/testing/index.js';

const tokens = (count: number, first = 10): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => first + ((i * 37) % 240));

async function prefilled(options: FakeEngineOptions = {}, count = 20) {
  const engine = new FakeEngine(options);
  const arena = await engine.createArena({ cells: 512 });
  const sequence = arena.createSequence();
  const { logits } = await sequence.append(tokens(count));
  return { engine, arena, sequence, logits: logits?.values as Float32Array };
}

test('equal options are the same model, others are not', async () => {
  const [a, b] = [await prefilled({ seed: 3 }), await prefilled({ seed: 3 })];
  expect(b.logits).toEqual(a.logits);
  expect(b.engine.model).toEqual(a.engine.model);
  const others: FakeEngineOptions[] = [
    { seed: 4 },
    { seed: 3, layers: 4 },
    { seed: 3, slidingWindow: { size: 8, layers: [1] } },
    { seed: 3, addBos: false },
  ];
  for (const options of others) {
    const { engine } = await prefilled(options);
    expect(engine.model.fingerprint).not.toBe(a.engine.model.fingerprint);
  }
});

test('work is counted in rows and layers', async () => {
  const { engine, sequence } = await prefilled({ layers: 4 });
  expect(engine.counters).toEqual({ layers: 4, rowLayers: 80 });
  await sequence.refresh(Int32Array.of(3, 7));
  expect(engine.counters).toEqual({ layers: 8, rowLayers: 88 });
  await sequence.probe(tokens(5), { layers: [1] });
  expect(engine.counters).toEqual({ layers: 10, rowLayers: 98 });
  await sequence.splice(await sequence.capture({ start: 0, end: 5 }));
  expect(engine.counters).toEqual({ layers: 10, rowLayers: 98 });
});

test('computing takes the time it is told to', async () => {
  const { engine, sequence } = await prefilled({ latency: { perLayer: 5, perRow: 1 } }, 1);
  const start = performance.now();
  await sequence.append(tokens(10));
  expect(performance.now() - start).toBeGreaterThan(40);
  await engine.dispose();
});

test('failures on request, and nothing is changed by them', async () => {
  const { engine, arena, sequence } = await prefilled({}, 30);
  const exact = await sequence.capture({ start: 0, end: 30 });
  const failure = new Error('device lost');
  const { free } = arena;
  const calls = [
    () => sequence.append(tokens(3)),
    () => sequence.probe(tokens(3)),
    () => sequence.replace({ start: 10, end: 12 }, tokens(7)),
    () => sequence.replace({ start: 10, end: 20 }, tokens(3)),
  ];
  for (const call of calls) {
    engine.failNext(failure, 1);
    await expect(call()).rejects.toBe(failure);
    expect(sequence.positions).toEqual(Int32Array.from({ length: 30 }, (_, i) => i));
    expect(await sequence.capture({ start: 0, end: 30 })).toEqual(exact);
    expect(arena.free).toBe(free);
  }
  engine.failNext(failure, 1);
  await expect(sequence.refresh(Int32Array.of(4))).rejects.toBe(failure);
  await expect(sequence.append(tokens(1))).rejects.toMatchObject({ code: 'STALE_CELL' });
  await sequence.refresh(Int32Array.of(4));
  expect(await sequence.capture({ start: 0, end: 30 })).toEqual(exact);
});

test('a pass that fails is over', async () => {
  const { engine, arena, sequence } = await prefilled();
  const failure = new Error('device lost');
  const pass = await arena.begin([{ kind: 'append', sequence, tokens: tokens(4) }]);
  engine.failNext(failure, 1);
  await expect(pass.finish()).rejects.toBe(failure);
  await expect(pass.advance(1)).rejects.toMatchObject({ code: 'DISPOSED' });
  expect(sequence.length).toBe(20);
  await sequence.append(tokens(2));
});

test('a sequence is not changed under a pass', async () => {
  const { arena, sequence } = await prefilled();
  const kv = await sequence.capture({ start: 0, end: 4 });
  const part = await sequence.capture({ start: 2, end: 4 });
  const other = arena.createSequence();
  await other.append(tokens(2));
  const entries = Int32Array.of(2, 3);
  const pass = await arena.begin([{ kind: 'refresh', sequence, entries }]);
  const span = { start: 8, end: 10 };
  const calls = [
    async () => sequence.append(tokens(2)),
    async () => sequence.refresh(entries),
    async () => sequence.splice(kv),
    async () => sequence.move(span, 1),
    async () => sequence.drop(span),
    async () => sequence.replace(span, tokens(1)),
    async () => sequence.adopt(other, { start: 0, end: 1 }),
    async () => arena.begin([{ kind: 'refresh', sequence, entries }]),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await sequence.correct(span, { layers: { from: 2, to: 3 }, values: new Float32Array(8) });
  // Loading into a row that the pass computes does not make it valid where the pass has not been.
  await pass.advance(1);
  await sequence.load({ start: 2, end: 4 }, part);
  await expect(sequence.capture({ start: 2, end: 4 })).rejects.toMatchObject({
    code: 'STALE_CELL',
  });
  await pass.finish();
  await sequence.append(tokens(2));
});

test('a cell is adopted once at most', async () => {
  const { arena, sequence } = await prefilled();
  const fork = sequence.fork();
  expect(() => fork.adopt(sequence, { start: 3, end: 5 })).toThrow('already holds');
  expect(() => sequence.adopt(sequence, { start: 0, end: 1 })).toThrow('already holds');
  expect(arena.free).toBe(512 - 20);
});

test('memory may be bounded', async () => {
  const engine = new FakeEngine({ maxCells: 512 });
  const first = await engine.createArena({ cells: 400 });
  await expect(engine.createArena({ cells: 1 })).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  await first.dispose();
  await first.dispose();
  await engine.createArena({ cells: 512 });
});

test('what a chunk was encoded after matters, and refreshing repairs it', async () => {
  const { arena } = await prefilled({}, 1);
  const [prefix, a, b, question] = [tokens(8), tokens(40, 30), tokens(40, 60), tokens(6, 90)];
  const full = arena.createSequence();
  const exact = await full.append(Int32Array.of(...prefix, ...a, ...b, ...question));
  const alone = arena.createSequence();
  await alone.append(Int32Array.of(...prefix, ...b));
  const chunk = await alone.capture({ start: 8, end: 48 });
  const divergences: number[] = [];
  for (const share of [0, 0.5, 1]) {
    const woven = arena.createSequence();
    await woven.append(Int32Array.of(...prefix, ...a));
    const { start } = await woven.splice(chunk);
    const count = Math.round(40 * share);
    await woven.refresh({ start, end: start + count });
    const { logits } = await woven.append(question);
    divergences.push(divergence(exact.logits?.values, logits?.values));
    woven.dispose();
  }
  expect(divergences[0]).toBeGreaterThan(0.01);
  expect(divergences[1]).toBeLessThan(divergences[0] as number);
  expect(divergences[2]).toBe(0);
});

function divergence(p: Float32Array | undefined, q: Float32Array | undefined): number {
  const [a, b] = [softmax(p), softmax(q)];
  return a.reduce((sum, x, i) => sum + x * Math.log(x / (b[i] as number)), 0);
}

function softmax(logits: Float32Array | undefined): number[] {
  const weights = Array.from(logits ?? [], Math.exp);
  const total = weights.reduce((sum, x) => sum + x, 0);
  return weights.map((weight) => weight / total);
}

test('sampling keeps to its bounds', async () => {
  const { engine, logits } = await prefilled();
  const order = Array.from(logits.keys()).sort(
    (a, b) => (logits[b] as number) - (logits[a] as number),
  );
  const draw = async (options: object, count = 60) => {
    await using sampler = await engine.createSampler({ temperature: 2, seed: 7, ...options });
    const drawn = new Set<number>();
    for (let i = 0; i < count; i++) drawn.add(await sampler.sample(logits));
    return drawn;
  };
  for (const token of await draw({ topK: 4 })) expect(order.slice(0, 4)).toContain(token);
  expect(await draw({ topP: 1e-6 })).toEqual(new Set([order[0]]));
  expect(await draw({ minP: 1 })).toEqual(new Set([order[0]]));
  expect((await draw({})).size).toBeGreaterThan(10);
  const unlike = await draw({ temperature: 0, presencePenalty: 100, penaltyWindow: 3 }, 8);
  expect(unlike).toEqual(new Set(order.slice(0, 4)));
  expect((await draw({ temperature: 0 }, 8)).size).toBe(1);
});

test('a grammar of words', async () => {
  const { engine, logits } = await prefilled();
  const { tokenizer } = engine;
  for (const grammar of ['root ::= "yes" | "no"', ' root::="say \\"hi\\"\\n" ']) {
    await using sampler = await engine.createSampler({ grammar });
    const said: number[] = [];
    for (let i = 0; i < 20; i++) {
      const token = await sampler.sample(logits);
      if (tokenizer.isEndOfGeneration(token)) break;
      said.push(token);
    }
    expect(['yes', 'no', 'say "hi"\n']).toContain(tokenizer.decode(said));
  }
  for (const grammar of ['', 'root ::= [a-z]+', 'root ::= "a" other', 'other ::= "a"']) {
    await expect(engine.createSampler({ grammar })).rejects.toMatchObject({ code: 'SAMPLING' });
  }
});

test('the tokenizer keeps any text, and knows where its tokens begin', async () => {
  const tokenizer = new FakeTokenizer();
  const encoder = new TextEncoder();
  const pieces = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.constantFrom('😀', ' 日本語', 'é ', '— ', ' the', '<s>', '\n\n', '\ud83d', '\ufeff'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 8 }), async (parts) => {
      const text = parts.join('');
      const wellFormed = new TextDecoder('utf-8', { ignoreBOM: true }).decode(encoder.encode(text));
      const { ids, starts } = await tokenizer.encode(text);
      expect(tokenizer.decode(ids)).toBe(wellFormed);
      expect(starts.length).toBe(ids.length + 1);
      let bytes = 0;
      ids.forEach((id, i) => {
        const start = starts[i] as number;
        const before = encoder.encode(text).subarray(0, bytes);
        if (start >= 0) expect(encoder.encode(text.slice(0, start))).toEqual(before);
        else expect(new TextDecoder('utf-8').decode(before)).toMatch(/\ufffd$/);
        bytes += tokenizer.bytes(id).length;
      });
    }),
    { numRuns: 500 },
  );
});

test('borders do fall inside of characters', async () => {
  const { starts } = await new FakeTokenizer().encode('😁 and 語');
  expect([...starts]).toContain(-1);
});

test('seeded numbers', () => {
  const normals = seededNormals(seededRandom(1), 20_000, 2);
  const mean = normals.reduce((sum, x) => sum + x, 0) / normals.length;
  const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normals.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(Math.sqrt(variance)).toBeCloseTo(2, 1);
  expect(seededNormals(seededRandom(1), 3, 2)).toEqual(normals.slice(0, 3));
});
