import type { Bench } from './harness.js';

/** Every bench by its name, loaded when it is wanted. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  canary: async () => (await import('./canary.js')).canary,
  chunking: async () => (await import('./chunking.js')).chunking,
  edits: async () => (await import('./edits.js')).edits,
  embed: async () => (await import('./embed.js')).embed,
  engine: async () => (await import('./engine.js')).engine,
  fidelity: async () => (await import('./fidelity.js')).fidelity,
  reproduction: async () => (await import('./reproduction.js')).reproduction,
  retrieval: async () => (await import('./retrieval.js')).retrieval,
  'selection-engine': async () => (await import('./selection-engine.js')).selectionEngine,
  selection: async () => (await import('./selection.js')).selection,
  store: async () => (await import('./store.js')).store,
  tuning: async () => (await import('./tuning.js')).tuning,
  ttft: async () => (await import('./ttft.js')).ttft,
  vectors: async () => (await import('./vectors.js')).vectors,
};
