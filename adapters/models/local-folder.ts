import { createHash } from 'node:crypto';
import { readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelSourceError } from '../../lib/errors.js';
import { type CacheEntry, clearLeftovers, readEntry, removeEntry, writeEntry } from './cache.js';
import { modelFolder } from './cache-folder.js';
import { convertSentenceTransformers, isModelFile } from './convert/index.js';
import { CONVERSION } from './convert/weight-type.js';
import { explainDisk, hashFile, makeFolder, onDisk } from './disk.js';
import { DiskFailure, messageOf } from './failures.js';
import { withLock } from './lock.js';
import type { ResolvedModel, ResolveModelOptions } from './types.js';

/** Whether a path is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

/**
 * The GGUF file made of a sentence-transformers folder, from the cache or made now. It is found by the content of the
 * folder's files, so that a changed model is never mistaken for what it was.
 * @throws ModelFileError, UnsupportedArchitectureError, ModelSourceError, or the signal's reason.
 */
export async function fromFolder(
  path: string,
  wanted: string | undefined,
  options: ResolveModelOptions & { readonly make: boolean },
): Promise<ResolvedModel | undefined> {
  const { signal } = options;
  const identity = await contentOf(path, signal);
  const folder = join(modelFolder(options), `source-${identity.slice(0, 24)}`);
  const found = await readEntry(folder);
  if (found && options.verify && (await hashFile(found.path, 'sha256', signal)) !== found.sha256) {
    options.onNotice?.({
      kind: 'damaged',
      message: `${found.path} is not what was made; it is removed`,
    });
    await removeEntry(folder);
  } else if (found) return checked(found, wanted, true);
  if (!options.make) return undefined;
  try {
    await makeFolder(folder);
    const onWait = (): void =>
      options.onNotice?.({ kind: 'waiting', message: `another process is converting ${path}` });
    return await withLock(join(folder, 'lock'), { signal, onWait }, async () => {
      const meanwhile = await readEntry(folder);
      if (meanwhile) return checked(meanwhile, wanted, true);
      options.onNotice?.({ kind: 'converting', message: `converting ${path} to GGUF` });
      const fileName = 'model-f16.gguf';
      const target = join(folder, fileName);
      const beside = `${target}.made`;
      const { bytes } = await onDisk(folder, () =>
        convertSentenceTransformers({ folder: path, target: beside, signal }),
      );
      const sha256 = await hashFile(beside, 'sha256', signal);
      await onDisk(folder, () => rename(beside, target));
      const entry = await writeEntry(folder, {
        version: 1,
        fileName,
        source: path,
        sha256,
        bytes,
        verification: 'none',
        fetched: new Date().toISOString(),
      });
      await clearLeftovers(entry);
      return checked(entry, wanted, false);
    });
  } catch (error) {
    const cause = explainDisk(error, folder);
    if (!(cause instanceof DiskFailure)) throw error;
    const message = `The model ${path} could not be converted: ${messageOf(cause)}`;
    throw new ModelSourceError(path, message, { cause });
  }
}

function checked(entry: CacheEntry, wanted: string | undefined, cached: boolean): ResolvedModel {
  const { path, source, sha256, bytes } = entry;
  if (wanted !== undefined && wanted !== sha256) {
    throw new ModelSourceError(
      source,
      `What is made of ${source} has SHA-256 ${sha256}, wanted is ${wanted}.`,
    );
  }
  const verification = wanted === undefined ? 'none' : 'pinned';
  return { path, source, sha256, bytes, verification, cached };
}

async function contentOf(folder: string, signal: AbortSignal | undefined): Promise<string> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map(async (entry) =>
      entry.isDirectory()
        ? (await readdir(join(folder, entry.name))).map((name) => `${entry.name}/${name}`)
        : [entry.name],
    ),
  );
  const hash = createHash('sha256').update(`sentence-transformers f16 ${CONVERSION}\n`);
  for (const name of nested.flat().filter(isModelFile).toSorted()) {
    hash.update(`${name} ${await hashFile(join(folder, name), 'sha256', signal)}\n`);
  }
  return hash.digest('hex');
}
