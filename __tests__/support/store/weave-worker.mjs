// A weave in a process of its own over a store's folder, with the built package. Takes a job as JSON, makes the KV of
// all documents, and tells on one JSON line what it did; with `hang` it tells when it has begun, and never ends.
import { createWeave, memoryStore, recursiveChunker, tieredStore } from 'chunkweave';
import { folderStore } from 'chunkweave/fs';
import { FakeEngine } from 'chunkweave/testing';

const { directory, documents, perRow, at, hang } = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const engine = new FakeEngine({ latency: { perRow } });
const store = tieredStore([memoryStore(), folderStore({ directory })]);
const weave = await createWeave({ engine, store, chunker: recursiveChunker({ maxTokens: 64 }) });
await weave.ingest(documents, { budget: { milliseconds: 0 } });
// All processes begin in one moment.
if (at !== undefined) await new Promise((resolve) => setTimeout(resolve, at - Date.now()));
const start = performance.now();
if (hang) {
  const lease = store.lease.bind(store);
  store.lease = async (...args) => {
    const got = await lease(...args);
    say({ begun: got !== undefined });
    return got;
  };
}
const { encoded, cached } = await weave.warm({ budget: { milliseconds: 60_000 } });
await weave.dispose();
await store.close();
say({ encoded, cached, ms: performance.now() - start });
