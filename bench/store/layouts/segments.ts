import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordFolder } from './record-folder.js';

/** Before each record: its key (32 bytes), its length (u64); a length of none says that the key was deleted. */
const headBytes = 40;
const deleted = 2n ** 64n - 1n;
/** What a full segment holds is listed beside it, 48 bytes a record, so that opening reads no record. */
const listedBytes = 48;
/** A segment of which less is alive is written anew. */
const leastAlive = 0.75;

interface Segment {
  readonly number: number;
  readonly handle: FileHandle;
  length: number;
  /** Bytes of records that are still there. */
  alive: number;
}

interface Place {
  readonly segment: Segment;
  readonly at: number;
  readonly length: number;
}

/** Records one after another in segments of 64 MiB that are only ever appended to, and an index in memory. */
export class Segments implements RecordFolder {
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #index = new Map<string, Place>();
  #segments: Segment[] = [];
  #next = 0;

  constructor(directory: string, segmentBytes = 64 * 2 ** 20) {
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  get records(): number {
    return this.#index.size;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const numbers = (await readdir(this.#directory)).flatMap((name) => {
      const [, number] = /^(\d+)\.segment$/.exec(name) ?? [];
      return number === undefined ? [] : [Number(number)];
    });
    for (const number of numbers.sort((a, b) => a - b)) {
      const handle = await open(this.#pathOf(number), 'r+');
      const segment = { number, handle, length: (await handle.stat()).size, alive: 0 };
      this.#segments.push(segment);
      this.#next = number + 1;
      const list = await readFile(this.#listOf(number)).catch(() => undefined);
      if (list) this.#takeList(segment, list);
      else await this.#scan(segment);
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const segment = await this.#current();
    const at = await append(segment, key, bytes);
    this.#set(key, { segment, at, length: bytes.byteLength });
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const place = this.#index.get(key);
    return place && read(place);
  }

  async delete(key: string): Promise<void> {
    if (!this.#index.has(key)) return;
    await append(await this.#current(), key, undefined);
    this.#forget(key);
  }

  /** Readers go on: a segment goes when all that is alive in it stands elsewhere. */
  async compact(): Promise<number> {
    let written = 0;
    const segments = this.#segments.slice(0, -1);
    for (const segment of segments) {
      if (segment.alive >= leastAlive * segment.length) continue;
      for (const [key, place] of this.#index) {
        if (place.segment !== segment) continue;
        await this.put(key, await read(place));
        written += headBytes + place.length;
      }
      if (segment !== this.#segments[0]) written += await this.#keepDeletions(segment);
      await segment.handle.close();
      await unlink(this.#pathOf(segment.number));
      await unlink(this.#listOf(segment.number)).catch(() => {});
      this.#segments = this.#segments.filter((other) => other !== segment);
    }
    return written;
  }

  /** An older segment may still hold what was deleted. */
  async #keepDeletions(segment: Segment): Promise<number> {
    let written = 0;
    for await (const { head } of headsOf(segment)) {
      const key = head.toString('hex', 0, 32);
      if (head.readBigUInt64LE(32) !== deleted || this.#index.has(key)) continue;
      await append(await this.#current(), key, undefined);
      written += headBytes;
    }
    return written;
  }

  async close(): Promise<void> {
    for (const { handle } of this.#segments) await handle.close();
    this.#segments = [];
    this.#index.clear();
  }

  /** The segment to append to. One that is full is listed first. */
  async #current(): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last && last.length < this.#segmentBytes) return last;
    const number = this.#next++;
    const handle = await open(this.#pathOf(number), 'wx+', 0o600);
    const segment = { number, handle, length: 0, alive: 0 };
    this.#segments.push(segment);
    if (last) await writeFile(this.#listOf(last.number), await this.#listed(last));
    return segment;
  }

  /** All heads of a segment, deletions too, with their offsets. */
  async #listed(segment: Segment): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    for await (const { head, at } of headsOf(segment)) {
      const entry = Buffer.alloc(listedBytes);
      head.copy(entry);
      entry.writeBigUInt64LE(BigInt(at), headBytes);
      parts.push(entry);
    }
    return Buffer.concat(parts);
  }

  #takeList(segment: Segment, list: Buffer): void {
    for (let from = 0; from < list.byteLength; from += listedBytes) {
      const at = Number(list.readBigUInt64LE(from + headBytes));
      this.#take(segment, list.subarray(from, from + headBytes), at);
    }
  }

  async #scan(segment: Segment): Promise<void> {
    for await (const { head, at } of headsOf(segment)) this.#take(segment, head, at);
  }

  #take(segment: Segment, head: Buffer, at: number): void {
    const key = head.toString('hex', 0, 32);
    const length = head.readBigUInt64LE(32);
    if (length === deleted) this.#forget(key);
    else this.#set(key, { segment, at: at + headBytes, length: Number(length) });
  }

  #set(key: string, place: Place): void {
    this.#forget(key);
    this.#index.set(key, place);
    place.segment.alive += headBytes + place.length;
  }

  #forget(key: string): void {
    const place = this.#index.get(key);
    if (!place) return;
    place.segment.alive -= headBytes + place.length;
    this.#index.delete(key);
  }

  #pathOf(number: number): string {
    return join(this.#directory, `${number}.segment`);
  }

  #listOf(number: number): string {
    return join(this.#directory, `${number}.list`);
  }
}

/** Appends head and bytes by one call; tells where the bytes begin. */
async function append(
  segment: Segment,
  key: string,
  bytes: Uint8Array | undefined,
): Promise<number> {
  const head = Buffer.alloc(headBytes);
  head.write(key, 'hex');
  head.writeBigUInt64LE(bytes ? BigInt(bytes.byteLength) : deleted, 32);
  const at = segment.length;
  const parts = bytes ? [head, bytes] : [head];
  const length = headBytes + (bytes?.byteLength ?? 0);
  const { bytesWritten } = await segment.handle.writev(parts, at);
  if (bytesWritten !== length) throw new Error(`${bytesWritten} of ${length} bytes were written`);
  segment.length += length;
  return at + headBytes;
}

async function read({ segment, at, length }: Place): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    done += (await segment.handle.read(bytes, done, length - done, at + done)).bytesRead;
  }
  return bytes;
}

async function* headsOf({ handle, length }: Segment): AsyncGenerator<{ head: Buffer; at: number }> {
  for (let at = 0; at < length;) {
    const head = Buffer.alloc(headBytes);
    await handle.read(head, 0, headBytes, at);
    yield { head, at };
    const bytes = head.readBigUInt64LE(32);
    at += headBytes + (bytes === deleted ? 0 : Number(bytes));
  }
}
