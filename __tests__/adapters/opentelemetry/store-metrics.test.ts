import { expect, test } from '@jest/globals';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { storeMetrics } from '../../../adapters/opentelemetry/index.js';
import { type ChunkStore, memoryStore } from '../../../lib/index.js';
import { eventfulStores, ownEvictions } from '../../support/store/eventful.js';

function collector() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e8 });
  const provider = new MeterProvider({ readers: [reader] });
  return {
    meter: provider.getMeter('test'),
    /** All numbers by name and attributes, and the units. */
    async collect() {
      exporter.reset();
      await reader.forceFlush();
      const values: Record<string, number> = {};
      const units: Record<string, string> = {};
      for (const resource of exporter.getMetrics()) {
        for (const { metrics } of resource.scopeMetrics) {
          for (const { descriptor, dataPoints } of metrics) {
            units[descriptor.name] = descriptor.unit;
            for (const { attributes, value } of dataPoints) {
              const number = typeof value === 'number' ? value : value.count;
              values[`${descriptor.name} ${Object.values(attributes).join(' ')}`] = number;
            }
          }
        }
      }
      return { values, units };
    },
    shutdown: () => provider.shutdown(),
  };
}

test('what is exported is what the stores count', async () => {
  const { meter, collect, shutdown } = collector();
  using metrics = await storeMetrics({ meter });
  const { memory, folder, tiered } = await eventfulStores(metrics.onEvent);
  using _ = metrics.watch(tiered);
  const { values, units } = await collect();
  const of = (name: string): number => values[`chunkweave.store.${name}`] ?? 0;
  for (const store of [memory, folder, tiered]) {
    const stats = await store.stats();
    const { name } = stats;
    expect(of(`hits ${name}`)).toBe(stats.hits);
    for (const [reason, count] of Object.entries(stats.missesBy)) {
      expect(of(`misses ${name} ${reason}`)).toBe(count);
    }
    for (const [reason, count] of Object.entries(ownEvictions(stats))) {
      expect(of(`evictions ${name} ${reason}`)).toBe(count);
    }
    expect(of(`puts ${name} refused`)).toBe(stats.refused);
    if (!stats.tiers) expect(of(`corrupt ${name}`)).toBe(stats.corrupt);
    expect(of(`saved.tokens ${name}`)).toBe(stats.saved.tokens);
    expect(of(`saved.recompute ${name}`)).toBeCloseTo(stats.saved.recomputeMs / 1000, 9);
    expect(of(`load.duration ${name}`)).toBe(stats.hits);
    expect(of(`records ${name}`)).toBe(stats.records);
    expect(of(`size ${name}`)).toBe(stats.bytes);
  }
  expect(Object.keys(values).some((name) => /^chunkweave.store.circuit .* open$/.test(name))).toBe(
    true,
  );
  expect(units).toMatchObject({
    'chunkweave.store.hits': '{hit}',
    'chunkweave.store.loaded': 'By',
    'chunkweave.store.saved.recompute': 's',
    'chunkweave.store.load.duration': 's',
    'chunkweave.store.size': 'By',
  });
  await tiered.close();
  await shutdown();
});

test('stores that fail, hang or are not watched any more are left out', async () => {
  const { meter, collect, shutdown } = collector();
  const metrics = await storeMetrics({ meter, timeoutMs: 50 });
  const good = memoryStore({ name: 'good' });
  let asked = 0;
  const watch = metrics.watch({ stats: () => (asked++, good.stats()) });
  metrics.watch({ stats: () => Promise.reject(new Error('no')) } as Pick<ChunkStore, 'stats'>);
  metrics.watch({ stats: () => new Promise(() => {}) } as Pick<ChunkStore, 'stats'>);
  expect((await collect()).values).toHaveProperty(['chunkweave.store.records good'], 0);
  watch[Symbol.dispose]();
  const before = asked;
  await collect();
  expect(asked).toBe(before);
  metrics[Symbol.dispose]();
  await shutdown();
});

test('without a meter, the global one is used, which may do nothing', async () => {
  using metrics = await storeMetrics();
  expect(() =>
    metrics.onEvent({ type: 'corrupt', store: 's', key: 'k', problem: 'x' }),
  ).not.toThrow();
});
