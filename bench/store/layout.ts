import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { folderStore } from '../../adapters/fs/index.js';
import { median, round, timed } from '../harness.js';
import { cannotDropCaches, dropCaches } from './drop-caches.js';
import { Files } from './layouts/files.js';
import type { RecordFolder } from './layouts/record-folder.js';
import { Segments } from './layouts/segments.js';
import type { StoreBench } from './part.js';
import { keyOf, recordOf } from './records.js';

const RECORDS = 10_000;
const SMALL = 24_000;
const LARGE = 4 * 2 ** 20;
/** Every hundredth record is large. */
const isLarge = (number: number): boolean => number % 100 === 0;
const GETS = 1000;

/**
 * Append-only segments against one file a record, both as plain as they can be, on the same 10,000 records: 1% of 4 MiB,
 * the others of 24 KB. Half of them are deleted then. The store of one file a record is beside them: what checking,
 * bounding and sharing cost.
 */
export const layout: StoreBench = async ({ directory, options, outcome: { figures }, skip }) => {
  const makers: Record<string, (folder: string) => RecordFolder> = {
    files: (folder) => new Files(folder),
    segments: (folder) => new Segments(folder),
    store: (folder) => new AsFolder(folder),
  };
  const all: Record<string, number[]> = {};
  const isCold = await dropCaches();
  if (!isCold) skip(`layout.*.open.cold: ${cannotDropCaches}`);
  for (let run = 0; run < Math.min(3, options.repeat); run++) {
    for (const [name, make] of Object.entries(makers)) {
      const folder = join(directory, `${name}-${run}`);
      const seen = await measure(() => make(folder), folder, isCold);
      for (const [figure, value] of Object.entries(seen)) {
        (all[`layout.${name}.${figure}`] ??= []).push(value);
      }
    }
  }
  for (const [figure, values] of Object.entries(all)) figures[figure] = round(median(values));
};

async function measure(
  make: () => RecordFolder,
  folder: string,
  isCold: boolean,
): Promise<Record<string, number>> {
  const small = bytesOf(SMALL);
  const large = bytesOf(LARGE);
  const seen: Record<string, number> = {};
  const first = make();
  await first.open();
  const puts = { small: [] as number[], large: [] as number[] };
  for (let i = 0; i < RECORDS; i++) {
    const [bytes, times] = isLarge(i) ? [large, puts.large] : [small, puts.small];
    times.push(await timed(() => first.put(keyOf(i), bytes)));
  }
  seen['put.small.ms'] = median(puts.small);
  seen['put.large.ms'] = median(puts.large);
  await first.close();

  const fresh = async (): Promise<[RecordFolder, number]> => {
    const one = make();
    return [one, await timed(() => one.open())];
  };
  if (isCold) {
    await dropCaches();
    const [one, ms] = await fresh();
    seen['open.cold.ms'] = ms;
    await one.close();
  }
  const [one, ms] = await fresh();
  seen['open.ms'] = ms;
  if (one.records !== RECORDS) throw new Error(`${one.records} of ${RECORDS} records were found`);
  const gets = { small: [] as number[], large: [] as number[] };
  for (let i = 0; i < GETS; i++) {
    for (const number of [(i * 7919) % RECORDS, 100 * ((i * 37) % (RECORDS / 100))]) {
      const times = isLarge(number) ? gets.large : gets.small;
      if (times === gets.large && times.length === GETS / 10) continue;
      let got: Uint8Array | undefined;
      times.push(await timed(async () => (got = await one.get(keyOf(number)))));
      if (!got || got.byteLength < SMALL - 1000) throw new Error(`record ${number} is lost`);
    }
  }
  for (const [name, times] of Object.entries(gets)) {
    times.sort((a, b) => a - b);
    seen[`get.${name}.p50.ms`] = times[times.length >> 1] as number;
    seen[`get.${name}.p99.ms`] = times[Math.floor(times.length * 0.99)] as number;
  }

  const going = Array.from({ length: RECORDS }, (_, i) => i).filter(
    (i) => (7 * i + Math.floor(i / 100)) % 2 === 0,
  );
  seen['deleteHalf.ms'] = await timed(async () => {
    for (const number of going) await one.delete(keyOf(number));
  });
  seen['deleted.diskMB'] = (await bytesIn(folder)) / 1e6;
  let written = 0;
  seen['compact.ms'] = await timed(async () => (written = await one.compact()));
  seen['compact.writtenMB'] = written / 1e6;
  seen['compacted.diskMB'] = (await bytesIn(folder)) / 1e6;
  await one.close();
  const [again] = await fresh();
  if (again.records !== RECORDS - going.length)
    throw new Error(`${again.records} records are left`);
  await again.close();
  return seen;
}

function bytesOf(length: number): Uint8Array {
  return recordOf(length, 1).kv.data;
}

async function bytesIn(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return sum;
}

/** The store itself. */
class AsFolder implements RecordFolder {
  readonly #store;
  #records = 0;

  constructor(directory: string) {
    this.#store = folderStore({ directory, maxBytes: 2 ** 40 });
  }

  get records(): number {
    return this.#records;
  }

  async open(): Promise<void> {
    this.#records = (await this.#store.stats()).records;
  }

  async put(key: string, { byteLength }: Uint8Array): Promise<void> {
    const record = byteLength < LARGE / 2 ? smallRecord : largeRecord;
    if (!(await this.#store.put(key, record))) throw new Error('a record was not kept');
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#store.get(key))?.kv.data;
  }

  async delete(key: string): Promise<void> {
    if (await this.#store.delete(key)) this.#records--;
  }

  async compact(): Promise<number> {
    await this.#store.compact();
    return 0;
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

const smallRecord = recordOf(SMALL, 1);
const largeRecord = recordOf(LARGE, 1);
