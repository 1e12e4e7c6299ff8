import { expect, jest, test } from '@jest/globals';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore, type FolderStoreOptions } from '../../../../adapters/fs/index.js';
import type { ChunkRecord } from '../../../../lib/index.js';
import { sampleRecord, seededInteger, seededRandom } from '../../../../lib/testing/index.js';
import { filesIn, homeOf, isSame, newFolder, tick } from '../../../support/store/folders.js';
import { startProcess } from '../../../support/store/process.js';
import { hashedKey } from '../../../support/store/records.js';

const soak = process.env.CHUNKWEAVE_SOAK !== undefined;
const kills = soak ? 390 : 9;
jest.setTimeout(soak ? 1_800_000 : 60_000);
/** Every third kill finds the process held in the middle of its task; the others come at any moment. */
const isHeld = (kill: number): boolean => kill % 3 === 2;

const shape = { tokens: 20, layers: 4, keyWidth: 40, valueWidth: 40 };
/** A record and what it takes on the disk, roughly. */
const bytes = 14_000;
/** After so many kills, a new folder: looking through all of it takes longer each time. */
const killsPerFolder = 20;

const tasks: Record<string, Partial<FolderStoreOptions>> = {
  put: { fsync: 'always' },
  evict: { maxBytes: 12 * bytes },
  compact: {},
  damage: { maxBytes: 12 * bytes },
};

const expected = new Map<number, ChunkRecord>();

function recordOf(number: number): ChunkRecord {
  const record = expected.get(number) ?? sampleRecord({ seed: number, ...shape });
  expected.set(number, record);
  return record;
}

/** What must hold whatever happened before; `over` is how far the bound may be overshot. */
async function check(options: FolderStoreOptions, acknowledged: ReadonlySet<number>, over = bytes) {
  await using store = folderStore(options);
  const wrong: string[] = [];
  const numbers = new Map(Array.from({ length: 5000 }, (_, i) => [hashedKey(i), i]));
  for await (const key of store.list()) {
    const number = numbers.get(key);
    const record = await store.get(key);
    if (number === undefined || !isSame(record, recordOf(number))) {
      wrong.push(`record ${number}: ${record ? 'another' : 'none'}`);
    }
  }
  for (const number of acknowledged) {
    if (!(await store.has(hashedKey(number)))) wrong.push(`record ${number} is lost`);
  }
  const stats = await store.stats();
  if (stats.corrupt > 0) wrong.push(`${stats.corrupt} records are damaged`);
  if (stats.bytes > stats.maxBytes + over) wrong.push(`${stats.bytes} bytes`);
  return wrong;
}

test.each(Object.entries(tasks))(
  'a process that is killed while it is busy with "%s" leaves whole records only',
  async (task, limits) => {
    const random = seededRandom(task.length);
    let options: FolderStoreOptions = { directory: await newFolder(), ...limits };
    let acknowledged = new Set<number>();
    let from = 0;
    let alive = 0;
    const heldAt: string[] = [];
    for (let kill = 0; kill < kills; kill++) {
      if (kill > 0 && kill % killsPerFolder === 0) {
        options = { directory: await newFolder(), ...limits };
        acknowledged = new Set();
        from = 0;
      }
      const home = await homeOf(options);
      const hold = { nth: 1 + seededInteger(random, 6), after: random() < 0.5 };
      const job = { task, store: options, home, from, shape };
      const victim = startProcess(isHeld(kill) ? { ...job, hold } : job);
      await victim.ready;
      if (isHeld(kill)) await victim.says('held');
      else await tick(120 * random() ** 1.5);
      await victim.kill();
      if (victim.told().length > 0) alive++;
      for (const { kept, held } of victim.told()) {
        if (held === undefined) acknowledged.add(kept as number);
        else heldAt.push(`${held as string} ${hold.after ? 'done' : 'begun'}`);
      }
      from += 200;
      // Damaged records are what this one makes: they must be misses, and are gone after that.
      if (task === 'damage') {
        await using store = folderStore(options);
        await store.verify();
      }
      // Files that are cut short behind a store's back mislead its count until it looks again, within a second.
      const over = (task === 'damage' ? 12 : 3) * bytes;
      expect(await check(options, acknowledged, over)).toEqual([]);
    }
    if (task === 'put') expect(alive).toBeGreaterThan(kills / 4);
    // Those were killed in the middle of it.
    expect(heldAt).toHaveLength(kills / 3);
    if (soak) expect(new Set(heldAt).size).toBeGreaterThanOrEqual(task === 'compact' ? 4 : 2);

    // What the dead left is found by its age, and cleared away.
    const home = await homeOf(options);
    for (const path of await filesIn(home)) {
      // A lease whose holder died before it wrote for how long ends by its age as well.
      const ages = path.includes('.tmp-') || path.startsWith('leases');
      if (ages) await utimes(join(home, path), new Date(0), new Date(0));
    }
    await using store = folderStore(options);
    await store.compact();
    const left = (await filesIn(home)).filter((path) => !path.startsWith('quarantine'));
    expect(left.filter((path) => !path.endsWith('.kv'))).toEqual([]);
    const shards = (await readdir(home)).filter((name) => name.length === 2);
    for (const shard of shards) expect(await readdir(join(home, shard))).not.toEqual([]);
  },
);
