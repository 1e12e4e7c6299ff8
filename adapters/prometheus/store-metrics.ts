import type { Counter, Registry } from 'prom-client';
import { InvalidArgumentError, MissingPackageError } from '../../lib/errors.js';
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
import { type Reading, WatchedStores } from '../../lib/store/metrics/watched-stores.js';
import type { StoreListener } from '../../lib/store/store-stats.js';

export interface StoreMetricsOptions {
  /** Default the package's own registry. */
  readonly register?: Registry;
  /** Begins all names; default `chunkweave_store_`. */
  readonly prefix?: string;
  /** Upper bounds of the histogram of load times, in seconds, ascending. Default 10 microseconds to 5 seconds. */
  readonly buckets?: readonly number[];
  /** Milliseconds that a store's `stats()` may take when metrics are collected; default 1,000. */
  readonly timeoutMs?: number;
}

export interface StoreMetrics {
  /** Give it to every store as `onEvent`. Never throws. */
  readonly onEvent: StoreListener;
  /** Also tells records, bytes and bound of a store and its tiers, until that is disposed of. */
  watch(store: Pick<ChunkStore, 'stats'>): Disposable;
}

/** By registry, then by prefix: a metric can be registered once only. */
const made = new WeakMap<Registry, Map<string, StoreMetrics>>();

/**
 * Counts what happens in stores. Labels are the store's name, and reason, result or state: never a key or a tenant.
 * Called again with the same registry and prefix, it gives the same metrics.
 *
 * @throws MissingPackageError without `prom-client`; InvalidArgumentError for a prefix that Prometheus refuses.
 */
export async function storeMetrics(options: StoreMetricsOptions = {}): Promise<StoreMetrics> {
  const client = await loadPromClient();
  const { register = client.register, prefix = 'chunkweave_store_' } = options;
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(prefix)) {
    throw new InvalidArgumentError(
      `storeMetrics: prefix is ${JSON.stringify(prefix)}; give letters, digits and underscores, a letter first.`,
    );
  }
  const known = made.get(register) ?? new Map<string, StoreMetrics>();
  made.set(register, known);
  const metrics = known.get(prefix) ?? registerAll(client, { ...options, register, prefix });
  known.set(prefix, metrics);
  return metrics;
}

function registerAll(
  client: typeof import('prom-client'),
  {
    register,
    prefix,
    buckets = loadBuckets,
    timeoutMs = 1000,
  }: StoreMetricsOptions & { readonly register: Registry; readonly prefix: string },
): StoreMetrics {
  const watched = new WatchedStores(timeoutMs);
  const registers = [register];
  const counts = {} as Record<CounterName, Counter>;
  for (const [name, { help, unit, labels }] of Object.entries(counters)) {
    counts[name as CounterName] = new client.Counter({
      name: `${prefix}${nameOf(name, unit)}_total`,
      help,
      labelNames: ['store', ...labels],
      registers,
    });
  }
  const histogram = new client.Histogram({
    name: `${prefix}load_seconds`,
    help: loadTime.help,
    labelNames: ['store'],
    buckets: [...buckets],
    registers,
  });
  // All gauges of one collection share one reading.
  let reading: Promise<Reading[]> | undefined;
  const read = (): Promise<Reading[]> => {
    reading ??= watched.read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  for (const [gauge, { help, unit }] of Object.entries(gauges)) {
    const metric = new client.Gauge({
      name: `${prefix}${nameOf(gauge, unit)}`,
      help,
      labelNames: ['store'],
      registers,
      async collect() {
        const readings = await read();
        // A store that is not watched any more, or does not answer, is not told of.
        this.reset();
        for (const { store, value } of readings.filter(
          (one) => one.gauge === (gauge as GaugeName),
        )) {
          this.set({ store }, value);
        }
      },
    });
    // A gauge without labels would be told as 0.
    metric.reset();
  }
  return {
    onEvent(event) {
      for (const { counter, by, labels } of measuresOf(event)) counts[counter].inc(labels, by);
      if (event.type === 'hit') histogram.observe({ store: event.store }, event.loadMs / 1000);
    },
    watch: (store) => watched.watch(store),
  };
}

/** `saved.recompute` in seconds is `saved_recompute_seconds`; what is counted in braces has no unit. */
function nameOf(name: string, unit: string): string {
  const suffix = { By: '_bytes', s: '_seconds' }[unit] ?? '';
  return name.replaceAll('.', '_') + suffix;
}

async function loadPromClient(): Promise<typeof import('prom-client')> {
  try {
    const loaded = await import('prom-client');
    // A CommonJS package: its names may all be there, or in the default alone.
    return 'Counter' in loaded
      ? loaded
      : (loaded as { default: typeof import('prom-client') }).default;
  } catch (cause) {
    throw new MissingPackageError('prom-client', 'Metrics for Prometheus', { cause });
  }
}
