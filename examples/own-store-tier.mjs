// A store of one's own as a tier behind memory. Here a map; yours may ask a service, which may fail: the tiers before and the
// weave go on without it.
//
//     npm run build && node examples/own-store-tier.mjs
import { createWeave, memoryStore, StoreMeter, tieredStore } from 'chunkweave';
import { FakeEngine } from 'chunkweave/testing';

const infoOf = (key, { kv: { data, ...kv }, ...notes }) => ({
  key,
  ...kv,
  ...notes,
  bytes: data.byteLength,
  codec: 'f16',
  lastUsed: notes.created,
  hits: 0,
});

function mapStore(records = new Map()) {
  const meter = new StoreMeter('map');
  const bytes = () => [...records.values()].reduce((sum, { kv }) => sum + kv.data.byteLength, 0);
  return {
    async get(key) {
      const record = records.get(key);
      if (record) meter.hit(key, record, 0);
      else meter.miss(key, 'absent');
      return record;
    },
    async *getLayers(key) {
      const record = await this.get(key); // All layers at once are allowed too.
      if (record) yield record.kv;
    },
    info: async (key) => records.has(key) && infoOf(key, records.get(key)),
    has: async (key) => records.has(key),
    put: async (key, record) => Boolean(records.set(key, record)),
    delete: async (key) => records.delete(key),
    async *list({ chunk = '' } = {}) {
      for (const key of records.keys()) if (key.startsWith(chunk)) yield key;
    },
    stats: async () => meter.stats({ records: records.size, bytes: bytes(), maxBytes: Infinity }),
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
