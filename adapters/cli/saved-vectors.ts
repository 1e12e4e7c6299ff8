import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Packr } from 'msgpackr';
import {
  type Chunk,
  type DenseRetriever,
  denseRetriever,
  type Embedder,
  flatIndex,
  restoreDenseRetriever,
  restoreFlatIndex,
  type SavableVectorIndex,
} from '../../lib/index.js';
import { fieldsOf } from '../../lib/retrieve/filter.js';
import { savedChunk } from '../../lib/retrieve/saved-chunk.js';
import { readVectorIndex, saveVectorIndex } from '../fs/index.js';
import type { Collection } from './collection.js';

/** Vectors of a folder's passages, and what searches them. */
export interface FolderVectors {
  readonly retriever: DenseRetriever;
  readonly index: SavableVectorIndex;
}

/** What lies in {@link listFile}: the passages that have a vector, and the file that holds the vectors. */
interface SavedList {
  readonly embedder: string;
  readonly ids: readonly string[];
  readonly vectors: string;
}

const packr = new Packr({ useRecords: false });

function emptyVectors(embedder: Embedder): FolderVectors {
  const index = flatIndex({ embedder });
  return { index, retriever: denseRetriever({ embedder, index }) };
}

/**
 * Vectors that an earlier run saved, of those of `chunks` that had one; none where nothing is saved, or it is damaged or of
 * another embedder. A passage's id names its text, so those of files that did not change stay good, and those of files that
 * have another name now.
 *
 * @throws the signal's reason
 */
export async function restoreVectors(
  collection: Collection,
  embedder: Embedder,
  chunks: Iterable<Chunk>,
  signal: AbortSignal,
): Promise<FolderVectors> {
  const empty = emptyVectors(embedder);
  try {
    const list = await readList(collection);
    if (!list || list.embedder !== empty.retriever.toJSON().embedder) return empty;
    const bytes = readVectorIndex(join(dirname(collection.indexFile), list.vectors));
    const index = await restoreFlatIndex(bytes, { embedder, signal });
    const saved = new Set(list.ids);
    const wanted = [...chunks];
    const known = wanted.filter(({ id }) => saved.has(id));
    for (const { id } of known) saved.delete(id);
    const all = [...known, ...(await takeRenamed(index, saved, wanted))];
    await index.remove([...saved]);
    const snapshot = { ...empty.retriever.toJSON(), chunks: all.map(savedChunk) };
    return { index, retriever: await restoreDenseRetriever(snapshot, { embedder, index }) };
  } catch {
    signal.throwIfAborted();
    // Nothing that cannot be made again.
    return empty;
  }
}

/** Gives passages the vectors of the same text under other ids. */
async function takeRenamed(
  index: SavableVectorIndex,
  others: ReadonlySet<string>,
  chunks: readonly Chunk[],
): Promise<Chunk[]> {
  const byText = new Map(Array.from(others, (id) => [textOf(id), id]));
  const taken: Chunk[] = [];
  for (const chunk of chunks) {
    const vector = index.vectorOf(chunk.id) ? undefined : vectorOf(index, byText, chunk);
    if (!vector) continue;
    await index.upsert([{ id: chunk.id, vector, metadata: fieldsOf(chunk) }]);
    taken.push(chunk);
  }
  return taken;
}

function vectorOf(
  index: SavableVectorIndex,
  byText: ReadonlyMap<string, string>,
  { id }: Chunk,
): Float32Array | undefined {
  const other = byText.get(textOf(id));
  return other === undefined ? undefined : index.vectorOf(other);
}

/** The part of a passage's id that names its text: what stands between its document and its ordinal. */
function textOf(id: string): string {
  return id.slice(id.lastIndexOf('#') + 1).replace(/\.\d+$/, '');
}

/**
 * Saves vectors for the next run. The list is put in place last and names the file that belongs to it, so a run beside
 * this one, or one that ends in the middle, leaves nothing that does not fit together.
 *
 * @throws what the disk does
 */
export async function saveVectors(
  collection: Collection,
  { retriever, index }: FolderVectors,
): Promise<void> {
  const { embedder, chunks } = retriever.toJSON();
  const ids = chunks.map(({ id }) => id);
  const hash = createHash('sha256')
    .update(JSON.stringify([embedder, ids]))
    .digest('hex');
  const file = listFile(collection);
  const folder = dirname(file);
  const name = `${collection.name}-${hash.slice(0, 16)}.vectors`;
  const before = await readList(collection).catch(() => undefined);
  await mkdir(folder, { recursive: true });
  await saveVectorIndex(index, join(folder, name));
  const beside = `${file}.${process.pid}.tmp`;
  try {
    const list: SavedList = { embedder, ids, vectors: name };
    await writeFile(beside, packr.pack(list), { mode: 0o600 });
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  if (before && before.vectors !== name) await rm(join(folder, before.vectors), { force: true });
}

function listFile({ indexFile, name }: Collection): string {
  return join(dirname(indexFile), `${name}.embedded.msgpack`);
}

async function readList(collection: Collection): Promise<SavedList | undefined> {
  const value: unknown = packr.unpack(await readFile(listFile(collection)));
  if (typeof value !== 'object' || value === null) return undefined;
  const { embedder, ids, vectors } = value as Partial<SavedList>;
  const isList =
    typeof embedder === 'string' &&
    Array.isArray(ids) &&
    ids.every((id) => typeof id === 'string') &&
    typeof vectors === 'string' &&
    // A name, nothing that leads out of the folder.
    vectors.startsWith(`${collection.name}-`) &&
    /^[\w-]+\.vectors$/.test(vectors);
  return isList ? { embedder, ids, vectors } : undefined;
}
