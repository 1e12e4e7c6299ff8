/** One of several processes that put and get records of one folder; each record is known by its key. */
import { folderStore } from '../../adapters/fs/index.js';
import type { WorkerReport } from './processes.js';
import { keyOf, recordOf } from './records.js';

const [directory = '', number = '0', operations = '1'] = process.argv.slice(2);
const RECORDS = 16;
const records = Array.from({ length: RECORDS }, (_, i) => recordOf(500_000, i));
const store = folderStore({ directory, maxBytes: 2 ** 40 });
let torn = 0;
let lost = 0;
const written = new Set<number>();
let state = Number(number) + 1;
const start = performance.now();
for (let i = 0; i < Number(operations); i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  const which = (state >>> 8) % RECORDS;
  const record = records[which];
  if (!record) continue;
  if ((state >>> 16) % 4 === 0) {
    if (await store.put(keyOf(which), record)) written.add(which);
    continue;
  }
  const found = await store.get(keyOf(which));
  // Nothing is evicted here: what was written once is there from then on.
  if (!found && written.has(which)) lost++;
  if (found && Buffer.compare(found.kv.data, record.kv.data) !== 0) torn++;
}
const { corrupt } = await store.stats();
const report: WorkerReport = {
  operations: Number(operations),
  torn: torn + corrupt,
  lost,
  milliseconds: performance.now() - start,
};
process.send?.(report);
await store.close();
process.disconnect?.();
