import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { median, round, timed } from '../harness.js';
import type { StoreBench } from './part.js';
import { keyOf, recordOf } from './records.js';
import { startRedis } from './redis-server.js';

const MEGABYTES = [1, 8, 32];

/** Records in Redis against what redis-benchmark reaches with as many values of the same size and one connection. */
export const redis: StoreBench = async ({ directory, options, outcome }) => {
  const { figures } = outcome;
  const server = await startRedis(directory);
  if (!server) {
    outcome.skipped.push('redis: redis-server is not installed');
    return;
  }
  const store = server.store();
  try {
    for (const megabytes of MEGABYTES) {
      const count = Math.round(64 / megabytes);
      const records = Array.from({ length: count }, (_, i) => recordOf(megabytes * 2 ** 20, i));
      const bytes = records[0]?.kv.data.byteLength ?? 0;
      const theirs = await benchmark(server.port, bytes, count);
      const rates: Record<'get' | 'set', number[]> = { get: [], set: [] };
      for (let run = 0; run < options.repeat; run++) {
        const set = await timed(async () => {
          for (const [i, record] of records.entries()) {
            if (!(await store.put(keyOf(i), record))) throw new Error('a record was not kept');
          }
        });
        const get = await timed(async () => {
          for (let i = 0; i < count; i++) {
            if (!(await store.get(keyOf(i)))) throw new Error('a record was not found');
          }
        });
        rates.set.push((1000 * count) / set);
        rates.get.push((1000 * count) / get);
      }
      for (const side of ['get', 'set'] as const) {
        const ours = median(rates[side]);
        figures[`redis.${megabytes}MB.${side}.MBps`] = round((ours * bytes) / 1e6);
        figures[`redis.${megabytes}MB.${side}.benchmark.MBps`] = round(
          (theirs[side] * bytes) / 1e6,
        );
        figures[`redis.${megabytes}MB.${side}.share`] = round(ours / theirs[side]);
      }
    }
  } finally {
    await store.close();
    await server.stop();
  }
};

/** Requests a second. */
async function benchmark(
  port: number,
  bytes: number,
  keys: number,
): Promise<Record<'get' | 'set', number>> {
  // As many keys as the store has records: a single one, as by default, would stay in the processor's cache.
  const options = { p: port, d: bytes, n: 4 * keys, r: keys, c: 1, t: 'set,get' };
  const args = Object.entries(options).flatMap(([name, value]) => [`-${name}`, String(value)]);
  const { stdout } = await promisify(execFile)('redis-benchmark', [...args, '--csv']);
  const rate = (name: string): number => {
    const [, value] = new RegExp(`"${name}","([0-9.]+)"`).exec(stdout) ?? [];
    if (value === undefined) throw new Error(`redis-benchmark said nothing of ${name}`);
    return Number(value);
  };
  return { get: rate('GET'), set: rate('SET') };
}
