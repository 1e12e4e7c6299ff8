// Keeps a weave in step with a folder: what is added or changed is indexed again, what is deleted is forgotten. Passages
// that did not change keep their keys and values.
//
//     npm run build && node examples/folder-watch.mjs FOLDER       then edit files there; Ctrl-C ends it
//     node examples/folder-watch.mjs FOLDER --fake                 no model
import { setInterval } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readDocuments, statDocuments } from 'chunkweave/fs';
import { openWeave } from 'chunkweave/node';
import { FakeEngine } from 'chunkweave/testing';

const { values, positionals } = parseArgs({
  options: { fake: { type: 'boolean' } },
  allowPositionals: true,
});
const [folder = '.'] = positionals;
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const weave = await openWeave(values.fake ? { engine: new FakeEngine(), kvFolder: false } : {});
/** What is known of each file: its fingerprint and the documents that it gave. */
const known = new Map();

/** Brings the weave up to date; files whose size and time did not change are not read. */
async function update() {
  // An empty folder is no failure here.
  const files = await statDocuments(folder).catch(() => []);
  for (const file of files) {
    const before = known.get(file.id);
    if (before?.fingerprint === file.fingerprint) continue;
    const { documents = [] } = await readDocuments(file);
    const ids = documents.map(({ id }) => id);
    known.set(file.id, { fingerprint: file.fingerprint, ids });
    await weave.remove(before?.ids.filter((id) => !ids.includes(id)) ?? []);
    const { chunks, kv } = await weave.ingest(documents);
    console.log(`${file.id}: ${chunks} passages, ${kv.encoded} computed, ${kv.cached} as before`);
  }
  const there = new Set(files.map(({ id }) => id));
  for (const [id, { ids }] of known) {
    if (there.has(id)) continue;
    known.delete(id);
    await weave.remove(ids);
    console.log(`${id}: forgotten`);
  }
}

await update();
console.log('watching');
try {
  // Looking at sizes and times is cheap, and unlike the notices of a file system it misses nothing.
  for await (const look of setInterval(500, update, { signal: stop.signal })) await look();
} catch (error) {
  if (error.name !== 'AbortError') throw error;
}
await weave.dispose();
