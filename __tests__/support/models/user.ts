import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ModelNotice,
  type ModelProgress,
  resolveModel,
  type ResolvedModel,
  type ResolveModelOptions,
} from '../../../adapters/models/index.js';
import { newFolder } from './cleanup.js';

/** Bytes that begin as a model file does; the same for the same size and seed. */
export function modelBytes(size = 200_000, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  bytes.write('GGUF', 'latin1');
  return bytes;
}

export function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function hashOf(path: string): Promise<string> {
  return sha256Of(await readFile(path));
}

/** Somebody with a cache of their own and settings that reach nothing but what a test names. */
export interface User {
  readonly cache: string;
  readonly notices: ModelNotice[];
  readonly progress: ModelProgress[];
  readonly options: ResolveModelOptions;
  /** The messages of one kind. */
  told(kind: ModelNotice['kind']): string[];
  resolve(source: string, more?: ResolveModelOptions): Promise<ResolvedModel>;
  /** All files in the cache, by their paths in it. */
  files(): Promise<string[]>;
}

export async function newUser(
  env: Readonly<Record<string, string>> = {},
  more: ResolveModelOptions = {},
): Promise<User> {
  const cache = join(await newFolder(), 'cache');
  const notices: ModelNotice[] = [];
  const progress: ModelProgress[] = [];
  const options: ResolveModelOptions = {
    cacheDirectory: cache,
    // The null device in place of this machine's pip settings.
    env: { HOME: cache, PIP_CONFIG_FILE: '/dev/null', ...env },
    connectTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    retries: 2,
    onNotice: (notice) => notices.push(notice),
    onProgress: (state) => progress.push(state),
    ...more,
  };
  return {
    cache,
    notices,
    progress,
    options,
    told: (kind) => notices.filter((notice) => notice.kind === kind).map(({ message }) => message),
    resolve: (source, extra) => resolveModel(source, { ...options, ...extra }),
    files: () => filesIn(cache),
  };
}

export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was not rejected');
}

/** What a function throws. */
export function caught(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it threw nothing');
}
