// A store of one's own as a tier behind memory. Here a map; yours may ask a service, which may fail: the tiers before and the
// weave go on without it. What a store in earnest refuses and counts, `storeConformance` of chunkweave/testing checks.
//
//     npm run build && node examples/own-store-tier.mjs
import {
  createWeave,
  memoryStore,
  recordInfo,
  recordLayers,
  StoreMeter,
  tieredStore,
} from 'chunkweave';
import { FakeEngine } from 'chunkweave/testing';

function mapStore(records = new Map(), meter = new StoreMeter('map')) {
  return {
    async get(key) {
      const record = records.get(key);
      if (record) meter.hit(key, record, 0);
      else meter.miss(key, 'absent');
      return record;
    },
    async *getLayers(key, { layers } = {}) {
      const record = await this.get(key);
      if (record) yield* recordLayers(record.kv, layers);
    },
    info: async (key) => (records.has(key) ? recordInfo(key, records.get(key)) : undefined),
    has: async (key) => records.has(key),
    put: async (key, record) => Boolean(records.set(key, record)),
    delete: async (key) => records.delete(key),
    async *list({ chunk = '' } = {}) {
      for (const key of records.keys()) if (key.startsWith(chunk)) yield key;
    },
    async stats() {
      const bytes = [...records.values()].reduce((sum, { kv }) => sum + kv.data.length, 0);
      return meter.stats({ records: records.size, bytes, maxBytes: Infinity });
    },
    clear: async () => records.clear(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

const engine = new FakeEngine();
const mine = mapStore();
for (const run of ['first', 'second']) {
  // A new memory each time, as after a restart.
  const store = tieredStore([memoryStore(), { store: mine, name: 'mine' }]);
  const weave = await createWeave({ engine, store });
  await weave.ingest([{ id: 'otters', text: 'Otters eat fish, and sleep in the river.' }]);
  const { sources } = await weave.ask('What do otters eat?', { maxTokens: 4 });
  const { hits, records } = await mine.stats();
  console.log(`${run} run: cached ${sources[0].cached}; my tier: ${records} records, ${hits} hits`);
  await weave.dispose();
}
await engine.dispose();
