import { afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { totalmem } from 'node:os';
import { stat } from 'node:fs/promises';

/** What the machine says that it has left. */
let available = Infinity;
jest.unstable_mockModule('../../../adapters/ggml/available-memory.js', () => ({
  availableMemory: () => available,
}));

const { compute, tinyFile } = await import('../../support/native.js');
const { checkMemory, withMemory } = await import('../../../adapters/ggml/memory.js');
const { GgmlArena } = await import('../../../adapters/ggml/arena.js');
const { OutOfMemoryError } = await import('../../../lib/errors.js');

const MB = 1 << 20;
/** What is always left to the rest of the process. */
const margin = Math.min(128 * MB, totalmem() / 32);
const WIDTH = 256;
const LAYERS = 4;
/** Bytes of a cell: keys and values of half the width, in half precision. */
const CELL = LAYERS * 2 * (WIDTH / 2) * 2;

let path: string;
let size: number;
beforeAll(async () => {
  path = await tinyFile({ architecture: 'llama', layers: LAYERS, width: WIDTH, tied: false });
  ({ size } = await stat(path));
});
afterEach(() => {
  available = Infinity;
});

const open = () => compute(path, { cells: 256, threads: 1 });

test('weights that do not fit beside what is taken are refused with their size', async () => {
  // Far less than the machine has: what others hold counts.
  available = margin + size * 0.9;
  const opening = open();
  await expect(opening).rejects.toThrow(OutOfMemoryError);
  await expect(opening).rejects.toThrow(/weights/);
  const { bytes } = (await opening.catch((error: unknown) => error)) as { bytes: number };
  expect(bytes).toBeGreaterThan(size * 0.9);
  expect(bytes).toBeLessThan(size * 1.5);
  available = margin + size * 1.5 + 256 * CELL;
  const own = await open();
  expect((await own.arena.createSequence().append(own.tokens(2))).logits).toBeDefined();
  await own.dispose();
});

test('cells that do not fit beside the weights are refused, and fewer are taken', async () => {
  const own = await open();
  available = margin + 1024 * CELL - 1;
  const create = (cells: number) => GgmlArena.create(own.arena.model, cells, () => {});
  await expect(create(1024)).rejects.toThrow(OutOfMemoryError);
  await expect(create(1024)).rejects.toMatchObject({ bytes: 1024 * CELL });
  const smaller = await create(768);
  expect(smaller.cells).toBe(768);
  await smaller.dispose();
  await own.dispose();
});

test('memory that was granted and not written yet counts as taken', async () => {
  const own = await open();
  const { model } = own.arena;
  available = margin + 1500 * CELL;
  const create = (cells: number) => GgmlArena.create(model, cells, () => {});
  // Each would fit alone; the mock does not see the first one's cells.
  const [first, second] = await Promise.allSettled([create(1024), create(1024)]);
  expect(first.status).toBe('fulfilled');
  expect(second).toMatchObject({ reason: { code: 'OUT_OF_MEMORY' } });
  // Written, they are the system's to count.
  const third = await create(1024);
  await third.dispose();
  if (first.status === 'fulfilled') await first.value.dispose();
  await own.dispose();
});

test('what is written bit by bit, or given up, is no longer promised', async () => {
  const own = await open();
  const { backend } = own.arena.model;
  available = margin + 100;
  await withMemory(backend, 60, 'test', async (onWritten) => {
    expect(() => checkMemory(backend, 41, 'test')).toThrow(OutOfMemoryError);
    checkMemory(backend, 40, 'test');
    onWritten(50);
    checkMemory(backend, 90, 'test');
    onWritten(50);
    checkMemory(backend, 100, 'test');
  });
  const failing = withMemory(backend, 60, 'test', async () => {
    throw new Error('no luck');
  });
  await expect(failing).rejects.toThrow('no luck');
  checkMemory(backend, 100, 'test');
  await own.dispose();
});

test('compute buffers are refused before they are taken, and what was there stays', async () => {
  const own = await compute(path, { cells: 1024, threads: 1 });
  const sequence = own.arena.createSequence();
  await sequence.append(own.tokens(30, 1));
  const question = own.tokens(3, 2);
  const ask = async () => {
    using fork = sequence.fork();
    return (await fork.append(question, { logits: 'all' })).logits?.values;
  };
  const exact = await ask();
  const { free } = own.arena;
  available = margin + 1000;
  for (const run of [
    () => sequence.append(own.tokens(500, 3)),
    () => sequence.append(own.tokens(64, 3), { logits: 'all' }),
    () => sequence.probe(own.tokens(200, 3)),
    () => sequence.append(own.tokens(1, 3)),
  ]) {
    const running = run();
    await expect(running).rejects.toThrow(OutOfMemoryError);
    await expect(running).rejects.toThrow(/compute buffers/);
    expect(sequence.length).toBe(30);
    expect(own.arena.free).toBe(free);
  }
  available = Infinity;
  expect(await ask()).toEqual(exact);
  for (const count of [1, 500]) {
    using fork = sequence.fork();
    const { logits } = await fork.append(own.tokens(count, 3));
    expect(logits?.values.every(Number.isFinite)).toBe(true);
  }
  await own.dispose();
});

test('where layers are computed in groups, the rows that rest between them are counted', async () => {
  const own = await compute(path, { cells: 1024, threads: 1, layersPerCompute: 1 });
  const sequence = own.arena.createSequence();
  await sequence.append(own.tokens(400, 1));
  using fork = sequence.fork();
  // The memory of the last graph is still there; only the resting rows are new.
  available = margin + 400 * WIDTH * 4 - 1;
  await expect(fork.append(own.tokens(400, 1))).rejects.toThrow(/hidden states/);
  available++;
  await fork.append(own.tokens(400, 1));
  await own.dispose();
});
