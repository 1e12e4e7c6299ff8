// Another process over a store's folder, with the built package. Takes a job as JSON, tells what happens as one JSON
// line each, and goes on until it is killed or done.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { folderStore } from 'chunkweave/fs';
import { sampleRecord, seededInteger, seededRandom } from 'chunkweave/testing';

const job = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const keyOf = (number) => createHash('sha256').update(`record ${number}`).digest('hex');
const recordOf = (seed) => sampleRecord({ seed, ...job.shape });
const store = folderStore(job.store);
const random = seededRandom(job.seed ?? 1);

const tasks = {
  /** Puts records, and tells which are kept. */
  async put() {
    for (let number = job.from; ; number++) {
      if (await store.put(keyOf(number), recordOf(number))) say({ kept: number });
    }
  },
  /** Puts more than there is room for, and reads between. */
  async evict() {
    for (let number = job.from; ; number++) {
      await store.put(keyOf(number), recordOf(number));
      await store.get(keyOf(number - seededInteger(random, 8)));
    }
  },
  /** Clears away what it has planted, while it writes. */
  async compact() {
    const folder = join(job.home, '00');
    for (let number = job.from; ; number++) {
      mkdirSync(folder, { recursive: true });
      const path = join(folder, `.tmp-00000000-0000-4000-8000-${String(number).padStart(12, '0')}`);
      writeFileSync(path, 'half a record');
      utimesSync(path, 0, 0);
      const lease = await store.lease(keyOf(number), { ttlMs: 1 });
      await Promise.all([store.put(keyOf(number), recordOf(number)), store.compact()]);
      await lease?.release();
      await store.delete(keyOf(number - 20));
    }
  },
  /** Finds what it has damaged, and puts it anew. */
  async damage() {
    for (let number = job.from; ; number++) {
      const key = keyOf(number);
      await store.put(key, recordOf(number));
      const path = join(job.home, key.slice(0, 2), `${key}.kv`);
      writeFileSync(path, `no record ${number}`);
      await Promise.all([store.get(key), store.get(key), store.put(key, recordOf(number))]);
    }
  },
  /** Writes and reads the same records as others do; every version of a record is good. */
  async share() {
    const written = new Set();
    const found = { gets: 0, lost: 0, torn: 0, puts: 0, refused: 0 };
    const end = performance.now() + job.milliseconds;
    while (performance.now() < end) {
      const number = seededInteger(random, job.records);
      const key = keyOf(number);
      if (random() < 0.3) {
        const seed = 1000 * number + seededInteger(random, 1000);
        found.puts++;
        if (await store.put(key, recordOf(seed))) written.add(number);
        else found.refused++;
        continue;
      }
      const record = await store.get(key);
      found.gets++;
      if (!record) {
        if (written.has(number)) found.lost++;
        continue;
      }
      const seed = record.created - 1_700_000_000_000;
      const same = Buffer.compare(record.kv.data, recordOf(seed).kv.data) === 0;
      if (!same || Math.floor(seed / 1000) !== number) found.torn++;
    }
    say({ ...found, corrupt: (await store.stats()).corrupt });
  },
  /** Reads the same records again and again, and tells how much memory the process has. */
  async read() {
    const rounds = async (count) => {
      const lane = async () => {
        while (count-- > 0) await store.get(keyOf(seededInteger(random, job.records)));
      };
      await Promise.all(Array.from({ length: job.lanes }, lane));
      await new Promise((resolve) => setTimeout(resolve, 50));
      globalThis.gc();
    };
    await rounds(job.gets / 4);
    const before = process.memoryUsage.rss();
    await rounds(job.gets);
    const stats = await store.stats();
    say({ before, after: process.memoryUsage.rss(), hits: stats.hits, misses: stats.misses });
  },
  /** Opens a store with many records, and tells how long it took and what it holds in memory. */
  async open() {
    globalThis.gc();
    const before = process.memoryUsage();
    const start = performance.now();
    const { records } = await store.stats();
    const openMs = performance.now() - start;
    globalThis.gc();
    const after = process.memoryUsage();
    const bytes = after.heapUsed + after.external - before.heapUsed - before.external;
    say({ records, openMs, bytesPerRecord: bytes / records });
  },
  /** Takes a lease and lives on. */
  async lease() {
    const lease = await store.lease(keyOf(1), { ttlMs: job.ttlMs });
    say({ leased: lease !== undefined });
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  /** Tells what somebody without rights can do. */
  async visit() {
    process.setgid(job.user);
    process.setuid(job.user);
    const found = await store.get(keyOf(1));
    const { missesBy, refused } = await store.stats();
    const kept = await store.put(keyOf(2), recordOf(2));
    say({ found: found !== undefined, missesBy, refused, kept });
  },
};

/** What a task does that none of its other work does, by the calls on the file system. */
const marks = {
  put: { rename: (_from, to) => to.endsWith('.kv') },
  evict: { unlink: (path) => path.endsWith('.kv') },
  compact: { unlink: (path) => /\.tmp-0{8}-/.test(path), rmdir: () => true },
  damage: {
    rename: (_from, to) => to.includes('quarantine'),
    rm: (path) => path.includes('quarantine'),
  },
};

/**
 * Stops for ever at one of those calls, right before it or right after it was made, and tells so: whoever kills it then
 * is sure.
 */
function holdAt({ nth, after }) {
  let calls = 0;
  for (const [name, isMeant] of Object.entries(marks[job.task])) {
    const call = files[name];
    const passed = async (args) => {
      if (!isMeant(...args) || ++calls !== nth) return;
      say({ held: name });
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    };
    files[name] = async (...args) => {
      if (!after) await passed(args);
      const done = await call(...args);
      if (after) await passed(args);
      return done;
    };
  }
  syncBuiltinESMExports();
}

if (job.hold) holdAt(job.hold);
say({ ready: readdirSync(job.store.directory).length });
await tasks[job.task]();
await store.close();
