/** Metrics of stores for OpenTelemetry, by the package `@opentelemetry/api`. */

export { storeMetrics, type StoreMetrics, type StoreMetricsOptions } from './store-metrics.js';
