/** A fresh process: opens a folder of many records, looks some up, says what that took. */
import { folderStore } from '../../adapters/fs/index.js';
import { timed } from '../harness.js';
import type { OpenedFolder } from './many-records.js';
import { keyOf } from './records.js';

const [directory = '', count = '1'] = process.argv.slice(2);
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});

collect();
const before = process.memoryUsage();
const store = folderStore({ directory, maxBytes: 2 ** 40 });
// Knowing how much there is takes the whole index.
const openMs = await timed(async () => {
  const { records } = await store.stats();
  if (records !== Number(count)) throw new Error(`${records} of ${count} records were found`);
});
collect();
const after = process.memoryUsage();
const times: number[] = [];
for (let i = 0; i < 1000; i++) {
  const key = keyOf((i * 7919) % Number(count));
  times.push(await timed(async () => void (await store.has(key))));
}
times.sort((a, b) => a - b);
const used = after.heapUsed + after.external - before.heapUsed - before.external;
const opened: OpenedFolder = {
  openMs,
  p50Ms: times[500] as number,
  p99Ms: times[990] as number,
  bytesARecord: Math.max(0, used) / Number(count),
};
process.send?.(opened);
await store.close();
process.disconnect?.();
