import { afterEach, expect, test } from '@jest/globals';
import { type ChunkStore, type Lease, memoryStore } from '../../../lib/index.js';
import {
  book,
  closeAll,
  direct,
  holds,
  nothing,
  plenty,
  recordsOf,
  warmWeave,
} from './warmup-support.js';

afterEach(closeAll);

const guide = book('guide.md', 20);

/** A store in memory with leases, as processes share one. */
function leasing(): { store: ChunkStore; held: Set<string>; asked: string[] } {
  const store: ChunkStore = memoryStore();
  const held = new Set<string>();
  const asked: string[] = [];
  store.lease = async (key): Promise<Lease | undefined> => {
    asked.push(key);
    if (held.has(key)) return undefined;
    held.add(key);
    const release = async () => void held.delete(key);
    return { release, [Symbol.asyncDispose]: release };
  };
  return { store, held, asked };
}

test('of two weaves over one store, each segment is computed by one', async () => {
  const { store, held, asked } = leasing();
  const fake = { latency: { perRow: 0.05 } };
  const made = await Promise.all([warmWeave({ store, fake }), warmWeave({ store, fake })]);
  for (const { weave } of made) await weave.ingest([guide], nothing);
  const reports = await Promise.all(made.map(({ weave }) => weave.warm(plenty)));
  const { computed, segments, chunks } = await direct(guide);
  expect(reports[0]!.encoded + reports[1]!.encoded).toBe(20);
  expect(reports[0]!.tokens + reports[1]!.tokens).toBe(computed);
  for (const { encoded, cached, left } of reports) {
    expect(encoded + cached).toBe(20);
    expect(left).toBe(0);
  }
  expect(held.size).toBe(0);
  // Segments are claimed, not passages, and under names that no record has.
  expect(new Set(asked).size).toBe(segments);
  const records = await recordsOf(store);
  expect(asked.filter((key) => records.has(key))).toEqual([]);
  expect(holds(records, chunks)).toEqual([]);
});

test('a weave finds what another has made', async () => {
  const { store } = leasing();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], plenty);
  const { weave: other, engine } = await warmWeave({ store });
  expect((await other.ingest([guide], plenty)).kv).toMatchObject({ encoded: 0, cached: 20 });
  expect(engine.counters.layers).toBe(0);
});

test('who died holding the claim of a segment is waited for no longer than computing takes, and a margin', async () => {
  const { store } = leasing();
  const short = book('short.md', 4);
  const { weave } = await warmWeave({ store });
  await weave.ingest([short], nothing);
  store.lease = async () => undefined;
  const start = performance.now();
  expect(await weave.warm(plenty)).toMatchObject({ encoded: 4 });
  const ms = performance.now() - start;
  expect(ms).toBeGreaterThan(1000);
  expect(ms).toBeLessThan(8000);
});

test('an abort while another computes is heard, and no claim stays', async () => {
  const { store, held } = leasing();
  const { weave } = await warmWeave({ store });
  await weave.ingest([guide], nothing);
  store.lease = async () => undefined;
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 200);
  await expect(weave.warm({ ...plenty, signal: controller.signal })).rejects.toBe(reason);
  expect(held.size).toBe(0);
  const { cells } = await weave.stats();
  expect(cells.free).toBe(cells.total);
});

test('leases that cannot be had hinder nobody', async () => {
  const { store } = leasing();
  store.lease = async () => {
    throw new Error('down');
  };
  const { weave } = await warmWeave({ store });
  expect((await weave.ingest([guide], plenty)).kv).toMatchObject({ encoded: 20 });
});
