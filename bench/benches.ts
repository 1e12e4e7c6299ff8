import type { Bench } from './harness.js';

/** Every bench by its name, loaded when it is wanted. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  canary: async () => (await import('./canary.js')).canary,
  chunking: async () => (await import('./chunking.js')).chunking,
  engine: async () => (await import('./engine.js')).engine,
  fidelity: async () => (await import('./fidelity.js')).fidelity,
  reproduction: async () => (await import('./reproduction.js')).reproduction,
  store: async () => (await import('./store.js')).store,
  ttft: async () => (await import('./ttft.js')).ttft,
};
