import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { cacheFolder } from '../models/cache-folder.js';
import { Lock } from './lock.js';

/** Changes whenever the graph computes other keys and values from the same file. */
const MATHEMATICS = 1;

interface HashOptions {
  /** Where hashes are remembered; failing to write there is no error. */
  readonly cacheFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What chunk KV depends on: a model file's content, which holds weights, tokenizer and RoPE settings. */
export async function modelFingerprint(path: string, options: HashOptions = {}): Promise<string> {
  const content = await contentHash(path, options);
  return createHash('sha256').update(`chunkweave kv ${MATHEMATICS}\n${content}`).digest('hex');
}

/**
 * Hexadecimal hash of a file's content. Reading a large file takes seconds, so the hash is remembered by path, size and
 * times: that of the content, which may be set to what it was, and that of the last change of any kind.
 */
export async function contentHash(path: string, options: HashOptions = {}): Promise<string> {
  const { size, mtimeMs, ctimeMs } = await stat(path);
  const cacheFile = options.cacheFile ?? join(cacheFolder(), 'model-hashes.json');
  const key = `${resolve(path)}\n${size}\n${mtimeMs}\n${ctimeMs}`;
  const known = (await readCache(cacheFile))[key];
  const isHash = typeof known === 'string' && /^[0-9a-f]{64}$/.test(known);
  const content = isHash ? known : await hashFile(path, options.signal);
  if (!isHash) await remember(cacheFile, key, content);
  return content;
}

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    // One block for all: a new one each time is much garbage, whose collection holds up the event loop.
    const block = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(block, 0, block.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(block.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function readCache(file: string): Promise<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof parsed === 'object' && parsed ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Two loads in one process would else each write what they read, and lose the other's. */
const writing = new Lock();

async function remember(file: string, key: string, hash: string): Promise<void> {
  // A name of its own, since other processes and threads may write at the same time.
  const temporary = `${file}.${randomUUID()}`;
  try {
    await writing.run(async () => {
      await mkdir(dirname(file), { recursive: true });
      const all = { ...(await readCache(file)), [key]: hash };
      await writeFile(temporary, JSON.stringify(all), { mode: 0o600 });
      await rename(temporary, file);
    });
  } catch {
    // Only speed is lost: the hash is computed again next time.
    await rm(temporary, { force: true }).catch(() => {});
  }
}
