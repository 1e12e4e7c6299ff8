import { expect, test } from '@jest/globals';
import { Registry, register as global } from 'prom-client';
import { storeMetrics } from '../../../adapters/prometheus/index.js';
import { type ChunkStore, InvalidArgumentError, memoryStore } from '../../../lib/index.js';
import { eventfulStores, ownEvictions } from '../../support/store/eventful.js';

/** A scrape as numbers, by `name{labels}`; every line must be one that Prometheus reads. */
function parsed(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    if (line === '' || /^# (?:HELP|TYPE) [a-z_]+ .+$/.test(line)) continue;
    const [, name, value] =
      /^([a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (\S+)$/.exec(line) ?? [];
    if (name === undefined || Number.isNaN(Number(value))) throw new Error(`no metric: ${line}`);
    values[name] = Number(value);
  }
  return values;
}

test('what is exported is what the stores count', async () => {
  const register = new Registry();
  const { onEvent, watch } = await storeMetrics({ register });
  const { memory, folder, tiered } = await eventfulStores(onEvent);
  using _ = watch(tiered);
  const scraped = parsed(await register.metrics());
  const of = (name: string, labels: string): number =>
    scraped[`chunkweave_store_${name}{${labels}}`] ?? 0;
  for (const store of [memory, folder, tiered]) {
    const stats = await store.stats();
    const label = `store="${stats.name}"`;
    expect(stats.hits).toBeGreaterThan(0);
    expect(of('hits_total', label)).toBe(stats.hits);
    for (const [reason, count] of Object.entries(stats.missesBy)) {
      expect(of('misses_total', `${label},reason="${reason}"`)).toBe(count);
    }
    for (const [reason, count] of Object.entries(ownEvictions(stats))) {
      expect(of('evictions_total', `${label},reason="${reason}"`)).toBe(count);
    }
    expect(of('puts_total', `${label},result="refused"`)).toBe(stats.refused);
    if (!stats.tiers) expect(of('corrupt_total', label)).toBe(stats.corrupt);
    expect(of('saved_tokens_total', label)).toBe(stats.saved.tokens);
    expect(of('saved_recompute_seconds_total', label)).toBeCloseTo(
      stats.saved.recomputeMs / 1000,
      9,
    );
    expect(of('load_seconds_count', label)).toBe(stats.hits);
    expect(of('records', label)).toBe(stats.records);
    expect(of('size_bytes', label)).toBe(stats.bytes);
    if (Number.isFinite(stats.maxBytes)) expect(of('limit_bytes', label)).toBe(stats.maxBytes);
  }
  const { evictions } = await memory.stats();
  expect(evictions).toBeGreaterThan(0);
  expect((await folder.stats()).corrupt).toBe(1);
  expect((await tiered.stats()).refused).toBeGreaterThan(0);
  expect(Object.keys(scraped).some((name) => /circuit_total\{.*state="open"/.test(name))).toBe(
    true,
  );
  expect(Object.keys(scraped).join()).not.toMatch(/[0-9a-f]{32}/);
  await tiered.close();
});

test('two calls on one registry share their metrics; another prefix has its own', async () => {
  const register = new Registry();
  const first = await storeMetrics({ register });
  const second = await storeMetrics({ register });
  const apart = await storeMetrics({ register, prefix: 'other_' });
  const miss = { type: 'miss', store: 's', key: 'k', reason: 'absent' } as const;
  for (const metrics of [first, second, apart]) metrics.onEvent(miss);
  const scraped = parsed(await register.metrics());
  expect(scraped['chunkweave_store_misses_total{store="s",reason="absent"}']).toBe(2);
  expect(scraped['other_misses_total{store="s",reason="absent"}']).toBe(1);
});

test('without a registry, the package’s own is used', async () => {
  const { onEvent } = await storeMetrics({ prefix: 'mine_' });
  onEvent({ type: 'corrupt', store: 's', key: 'k', problem: 'x' });
  expect(parsed(await global.metrics())['mine_corrupt_total{store="s"}']).toBe(1);
  global.clear();
});

test('a store that fails or hangs is left out of a scrape, which does not wait for it', async () => {
  const register = new Registry();
  const { watch } = await storeMetrics({ register, timeoutMs: 50 });
  const good = memoryStore({ name: 'good', maxBytes: 1000 });
  const failing: Pick<ChunkStore, 'stats'> = { stats: () => Promise.reject(new Error('no')) };
  const hanging: Pick<ChunkStore, 'stats'> = { stats: () => new Promise(() => {}) };
  const watches = [good, failing, hanging].map((store) => watch(store));
  const start = performance.now();
  const scraped = parsed(await register.metrics());
  expect(performance.now() - start).toBeLessThan(1000);
  expect(scraped).toMatchObject({
    'chunkweave_store_records{store="good"}': 0,
    'chunkweave_store_limit_bytes{store="good"}': 1000,
  });
  for (const one of watches) one[Symbol.dispose]();
  expect(Object.keys(parsed(await register.metrics())).join()).not.toContain('good');
});

test.each([{ prefix: '9x' }, { prefix: 'a b' }, { timeoutMs: 0 }])('%j is refused', async (bad) => {
  await expect(storeMetrics({ register: new Registry(), ...bad })).rejects.toThrow(
    InvalidArgumentError,
  );
});
