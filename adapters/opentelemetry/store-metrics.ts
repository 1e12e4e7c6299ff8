import type { Counter, Meter, ObservableGauge } from '@opentelemetry/api';
import { MissingPackageError } from '../../lib/errors.js';
import type { ChunkStore } from '../../lib/store/chunk-store.js';
import {
  type CounterName,
  counters,
  type GaugeName,
  gauges,
  loadBuckets,
  loadTime,
  measuresOf,
} from '../../lib/store/metrics/measures.js';
import { WatchedStores } from '../../lib/store/metrics/watched-stores.js';
import type { StoreListener } from '../../lib/store/store-stats.js';

export interface StoreMetricsOptions {
  /** Default `metrics.getMeter('chunkweave')` of the global provider, as it is at the call. */
  readonly meter?: Meter;
  /** Milliseconds that a store's `stats()` may take when metrics are collected; default 1,000. */
  readonly timeoutMs?: number;
}

export interface StoreMetrics extends Disposable {
  /** Give it to every store as `onEvent`. Never throws. */
  readonly onEvent: StoreListener;
  /** Also tells records, bytes and bound of a store and its tiers, until that is disposed of. */
  watch(store: Pick<ChunkStore, 'stats'>): Disposable;
}

/**
 * Counts what happens in stores, as `chunkweave.store.*`. Attributes are `store`, its name, and reason, result or
 * state: never a key or a tenant. Disposing of it ends the asking of watched stores.
 *
 * @throws MissingPackageError without `@opentelemetry/api`
 */
export async function storeMetrics(options: StoreMetricsOptions = {}): Promise<StoreMetrics> {
  const { meter = (await loadApi()).metrics.getMeter('chunkweave'), timeoutMs = 1000 } = options;
  const watched = new WatchedStores(timeoutMs);
  const counts = {} as Record<CounterName, Counter>;
  for (const [name, { help: description, unit }] of Object.entries(counters)) {
    counts[name as CounterName] = meter.createCounter(nameOf(name), { description, unit });
  }
  const { help: description, unit } = loadTime;
  const histogram = meter.createHistogram(nameOf('load.duration'), {
    description,
    unit,
    advice: { explicitBucketBoundaries: loadBuckets },
  });
  const observed = {} as Record<GaugeName, ObservableGauge>;
  for (const [name, { help, unit: of }] of Object.entries(gauges)) {
    observed[name as GaugeName] = meter.createObservableGauge(nameOf(name), {
      description: help,
      unit: of,
    });
  }
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = async (result) => {
    for (const { store, gauge, value } of await watched.read()) {
      result.observe(observed[gauge], value, { store });
    }
  };
  meter.addBatchObservableCallback(observe, Object.values(observed));
  return {
    onEvent(event) {
      for (const { counter, by, labels } of measuresOf(event)) counts[counter].add(by, labels);
      if (event.type === 'hit') histogram.record(event.loadMs / 1000, { store: event.store });
    },
    watch: (store) => watched.watch(store),
    [Symbol.dispose]: () => meter.removeBatchObservableCallback(observe, Object.values(observed)),
  };
}

const nameOf = (name: string): string => `chunkweave.store.${name}`;

async function loadApi(): Promise<typeof import('@opentelemetry/api')> {
  try {
    return await import('@opentelemetry/api');
  } catch (cause) {
    throw new MissingPackageError('@opentelemetry/api', 'Metrics for OpenTelemetry', { cause });
  }
}
