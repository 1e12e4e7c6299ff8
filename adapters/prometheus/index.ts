/** Metrics of stores for Prometheus, by the package `prom-client`. */

export { storeMetrics, type StoreMetrics, type StoreMetricsOptions } from './store-metrics.js';
