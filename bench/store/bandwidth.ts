import { mkdir, open, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../adapters/fs/index.js';
import { fastestSum, sumOf } from '../../adapters/record/block-sums.js';
import { pieceBytes, piecesAhead } from '../../adapters/record/pieces.js';
import { type ChunkRecord, memoryStore } from '../../lib/index.js';
import { atLeast, interleave, median, medianRatio, round, timed } from '../harness.js';
import { cannotDropCaches, dropCaches } from './drop-caches.js';
import type { StoreBench } from './part.js';
import { keyOf, recordOf } from './records.js';

const MEGABYTES = [1, 8, 32];
/** Calls in one timing, so that small records take measurable time. */
const BYTES_A_RUN = 64 * 2 ** 20;

/** Getting and putting records against copying, reading and writing as many bytes. */
export const bandwidth: StoreBench = async ({ directory, options, outcome, skip }) => {
  const { figures, goals } = outcome;
  await mkdir(directory, { recursive: true });
  for (const megabytes of MEGABYTES) {
    const count = Math.max(1, Math.round(BYTES_A_RUN / (megabytes * 2 ** 20)));
    const records = Array.from({ length: count }, (_, i) => recordOf(megabytes * 2 ** 20, i));
    const bytes = records.reduce((sum, { kv }) => sum + kv.data.byteLength, 0);
    const repeat = Math.max(7, options.repeat);
    const megabytesASecond = (milliseconds: number): number => round(bytes / 1e3 / milliseconds);
    const tell = (name: string, times: Record<string, number[]>): void => {
      for (const [side, values] of Object.entries(times)) {
        figures[`${name}.${side}.MBps`] = megabytesASecond(median(values));
      }
    };

    const memory = await inMemory(records, repeat);
    tell(`${megabytes}MB.memory`, memory);
    goals[`${megabytes}MB.memory.get/memcpy`] = atLeast(share(memory, 'memcpy', 'get'), 0.8);

    const folder = join(directory, String(megabytes));
    const put = await putting(records, folder, repeat);
    tell(`${megabytes}MB.disk`, put);
    goals[`${megabytes}MB.disk.put/write`] = atLeast(share(put, 'write', 'put'), 0.7);

    const get = await getting(records, folder, repeat);
    tell(`${megabytes}MB.disk.warm`, get);
    // What verifying every byte leaves of a read, whatever else a store does.
    figures[`${megabytes}MB.disk.warm.summed/read`] = round(share(get, 'read', 'summed'));
    goals[`${megabytes}MB.disk.get/read.warm`] = atLeast(share(get, 'read', 'get'), 0.8);

    const cold = await getting(records, folder, repeat, dropCaches);
    if (cold['get']) {
      tell(`${megabytes}MB.disk.cold`, cold);
      goals[`${megabytes}MB.disk.get/read.cold`] = atLeast(share(cold, 'read', 'get'), 0.8);
    } else skip(`${megabytes}MB.disk.cold: ${cannotDropCaches}`);
  }
};

const share = (times: Record<string, number[]>, plain: string, ours: string): number =>
  medianRatio(times[plain] as number[], times[ours] as number[]);

/** A get hands out the record itself; what comes after it is the copy into the arena. */
async function inMemory(
  records: readonly ChunkRecord[],
  repeat: number,
): Promise<Record<string, number[]>> {
  const store = memoryStore({ maxBytes: 2 ** 30 });
  for (const [i, record] of records.entries()) await store.put(keyOf(i), record);
  const target = new Uint8Array(Math.max(...records.map(({ kv }) => kv.data.byteLength)));
  const times = await interleave(repeat, {
    memcpy: () =>
      timed(async () => {
        for (const { kv } of records) target.set(kv.data);
      }),
    get: () =>
      timed(async () => {
        for (let i = 0; i < records.length; i++) {
          target.set((await store.get(keyOf(i)))?.kv.data as Uint8Array);
        }
      }),
  });
  await store.close();
  return times;
}

async function putting(
  records: readonly ChunkRecord[],
  folder: string,
  repeat: number,
): Promise<Record<string, number[]>> {
  const store = folderStore({ directory: folder, maxBytes: 2 ** 40 });
  const plain = (i: number): string => join(folder, `plain-${i}`);
  await mkdir(folder, { recursive: true });
  const times = await interleave(repeat, {
    write: async () => {
      for (let i = 0; i < records.length; i++) await unlink(plain(i)).catch(() => {});
      return timed(async () => {
        for (const [i, { kv }] of records.entries()) {
          await writeFile(plain(i), kv.data, { flag: 'wx', mode: 0o600 });
        }
      });
    },
    put: async () => {
      await store.clear();
      return timed(async () => {
        for (const [i, record] of records.entries()) {
          if (!(await store.put(keyOf(i), record))) throw new Error('a record was not kept');
        }
      });
    },
  });
  await store.close();
  return times;
}

/** Both sides read into memory of their own, as a get must. `before` is run before each. */
async function getting(
  records: readonly ChunkRecord[],
  folder: string,
  repeat: number,
  before: () => Promise<boolean> = async () => true,
): Promise<Record<string, number[]>> {
  if (!(await before())) return {};
  const store = folderStore({ directory: folder, maxBytes: 2 ** 40 });
  await store.has(keyOf(0));
  const times = await interleave(repeat, {
    read: async () => {
      await before();
      return timed(async () => {
        for (let i = 0; i < records.length; i++) await readPlain(join(folder, `plain-${i}`));
      });
    },
    summed: async () => {
      await before();
      return timed(async () => {
        for (let i = 0; i < records.length; i++) await readSummed(join(folder, `plain-${i}`));
      });
    },
    get: async () => {
      await before();
      return timed(async () => {
        for (let i = 0; i < records.length; i++) {
          if (!(await store.get(keyOf(i)))) throw new Error('a record was not found');
        }
      });
    },
  });
  await store.close();
  return times;
}

async function readPlain(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.allocUnsafeSlow(size);
    let done = 0;
    while (done < size) done += (await handle.read(buffer, done, size - done, done)).bytesRead;
  } finally {
    await handle.close();
  }
}

/** Reads pieces ahead and sums each as it comes, and does nothing else. */
async function readSummed(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.allocUnsafeSlow(size);
    const piece = pieceBytes(size);
    const kind = fastestSum(piece);
    const start = async (from: number): Promise<Uint8Array> => {
      const part = bytes.subarray(from, Math.min(size, from + piece));
      for (let done = 0; done < part.length;) {
        done += (await handle.read(part, done, part.length - done, from + done)).bytesRead;
      }
      return part;
    };
    let next = 0;
    const reading: Promise<Uint8Array>[] = [];
    const readNext = (): void => {
      if (next < size) reading.push(start(next));
      next += piece;
    };
    for (let i = 0; i < piecesAhead; i++) readNext();
    for (let read = reading.shift(); read; read = reading.shift()) {
      const part = await read;
      readNext();
      sumOf(part, kind);
    }
  } finally {
    await handle.close();
  }
}
