// Another process over a store in Redis, with the built package. Takes a job as JSON, puts and gets records of its own
// making until its time is over, and tells what it saw on one JSON line.
import { createHash } from 'node:crypto';
import { redisStore } from 'chunkweave/redis';
import { sampleRecord, seededInteger, seededRandom } from 'chunkweave/testing';

const job = JSON.parse(process.argv[2]);
const keyOf = (number) => createHash('sha256').update(`record ${number}`).digest('hex');
const recordOf = (seed) => sampleRecord({ seed, ...job.shape });
const store = redisStore({ ...job.store, finite: false });
const random = seededRandom(job.seed);
const found = { gets: 0, hits: 0, torn: 0, puts: 0, refused: 0, mostBytes: 0, errors: 0 };
const end = performance.now() + job.milliseconds;
while (performance.now() < end) {
  const number = seededInteger(random, job.records);
  if (random() < 0.4) {
    found.puts++;
    const kept = await store.put(keyOf(number), recordOf(1000 * number + seededInteger(random, 9)));
    if (!kept) found.refused++;
    const { bytes } = await store.stats();
    found.mostBytes = Math.max(found.mostBytes, bytes);
    continue;
  }
  found.gets++;
  const record = await store.get(keyOf(number));
  if (!record) continue;
  found.hits++;
  const seed = record.created - 1_700_000_000_000;
  const same = Buffer.compare(record.kv.data, recordOf(seed).kv.data) === 0;
  if (!same || Math.floor(seed / 1000) !== number) found.torn++;
}
const { corrupt, missesBy } = await store.stats();
await store.close();
process.stdout.write(`${JSON.stringify({ ...found, corrupt, missesBy })}\n`);
