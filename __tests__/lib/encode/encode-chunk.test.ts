import { expect, test } from '@jest/globals';
import { encodeChunk, encodeChunkAfter } from '../../../lib/encode/encode-chunk.js';
import { FakeEngine } from '../../../lib/testing/index.js';

const tokens = (count: number, first = 10) =>
  Int32Array.from({ length: count }, (_, i) => first + ((i * 37) % 240));

async function setUp(options: ConstructorParameters<typeof FakeEngine>[0] = {}) {
  const engine = new FakeEngine(options);
  const arena = await engine.createArena({ cells: 256 });
  return { engine, arena };
}

test('a chunk is encoded after prefix and warm-up, and only its own tokens are kept', async () => {
  const { arena } = await setUp();
  const [prefix, warmup, chunk] = [tokens(8), tokens(12, 50), tokens(20, 90)];
  const whole = arena.createSequence();
  await whole.append(Int32Array.of(...prefix, ...warmup, ...chunk));
  const expected = await whole.capture({ start: 20, end: 40 });
  whole.dispose();

  const { kv, computeMs, prefixMs } = await encodeChunk({ arena, prefix, warmup, tokens: chunk });
  expect(kv).toEqual(expected);
  expect(computeMs).toBeGreaterThan(0);
  expect(prefixMs).toBeGreaterThan(0);
  expect(arena.free).toBe(256);

  const { kv: without } = await encodeChunk({ arena, prefix, tokens: chunk });
  expect(without.data).not.toEqual(expected.data);
  expect((await encodeChunk({ arena, prefix: new Int32Array(), tokens: chunk })).kv.tokens).toEqual(
    chunk,
  );
});

test('a computed prefix is used again and left as it was', async () => {
  const { engine, arena } = await setUp();
  const [prefix, warmup, chunk] = [tokens(30), tokens(5, 50), tokens(10, 90)];
  const expected = await encodeChunk({ arena, prefix, warmup, tokens: chunk });
  const sequence = arena.createSequence();
  await sequence.append(prefix);
  const before = engine.counters.rowLayers;
  const { kv, prefixMs } = await encodeChunkAfter({ prefix: sequence, warmup, tokens: chunk });
  expect(engine.counters.rowLayers - before).toBe(15 * engine.model.layers);
  expect(kv).toEqual(expected.kv);
  expect(prefixMs).toBe(0);
  expect(sequence.length).toBe(30);
  expect(arena.free).toBe(256 - 30);
});

test('failures give everything back', async () => {
  const { engine, arena } = await setUp({ latency: { perLayer: 5 } });
  const prefix = tokens(8);
  await expect(encodeChunk({ arena, prefix, tokens: new Int32Array() })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(encodeChunk({ arena, prefix, tokens: tokens(300) })).rejects.toMatchObject({
    code: 'CONTEXT_OVERFLOW',
  });
  await expect(encodeChunk({ arena, prefix, tokens: Int32Array.of(-1) })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const reason = new Error('stop');
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 20);
  await expect(
    encodeChunk({ arena, prefix, tokens: tokens(20), signal: controller.signal }),
  ).rejects.toBe(reason);
  const lost = new Error('device lost');
  engine.failNext(lost, 4);
  await expect(encodeChunk({ arena, prefix, tokens: tokens(20) })).rejects.toBe(lost);
  expect(arena.free).toBe(256);
  expect((await encodeChunk({ arena, prefix, tokens: tokens(20) })).kv.tokens.length).toBe(20);
});
