import { InvalidArgumentError } from '../errors.js';
import { assertKey, chunkOf, variantKey } from './chunk-key.js';
import type {
  ChunkRecord,
  ChunkStore,
  GetOptions,
  RecordInfo,
  StoreCallOptions,
} from './chunk-store.js';
import { inParallel } from './in-parallel.js';

/** A variant, and what is known of it. */
export interface FoundVariant {
  readonly info: RecordInfo;
  readonly record: ChunkRecord;
}

export interface PutVariantOptions extends StoreCallOptions {
  /** Most variants of a chunk; at least 1. The record under the chunk's own key is none of them. */
  readonly maxVariants: number;
  /** What a variant is good for: the lowest goes first. Not asked about the one that is put. */
  readonly usefulness: (info: RecordInfo) => number;
}

export interface ForgetOptions extends StoreCallOptions {
  /** Ids of documents of which text went: variants encoded after such text that is in no chunk go as well. */
  readonly documents?: readonly string[];
  /** Warm-ups that are of no document: variants that saw nothing else stay. */
  readonly neutral?: readonly Int32Array[];
}

/** Calls that are made at once where many records are looked at. */
const parallel = 8;

/** What is known of the records of a chunk: the one under its own key, and those of its variants. */
export async function variantsOf(
  store: ChunkStore,
  chunk: string,
  { signal }: StoreCallOptions = {},
): Promise<RecordInfo[]> {
  assertChunk(chunk);
  const keys: string[] = [];
  for await (const key of store.list({ chunk, ...(signal && { signal }) })) keys.push(key);
  const infos: RecordInfo[] = [];
  await inParallel(parallel, keys, async (key) => {
    signal?.throwIfAborted();
    const info = await store.info(key);
    if (info) infos.push(info);
  });
  return infos;
}

/**
 * Loads the record of a chunk that suits best, or the next best one where that turns out to be gone, damaged or
 * not worth loading.
 *
 * @param rank how well a record suits; undefined where it does not fit. Of equals the one used last is taken.
 * @throws InvalidArgumentError for the key of a variant, or of nothing.
 */
export async function bestVariant(
  store: ChunkStore,
  chunk: string,
  rank: (info: RecordInfo) => number | undefined,
  options: GetOptions = {},
): Promise<FoundVariant | undefined> {
  const ranked: { readonly info: RecordInfo; readonly score: number }[] = [];
  for (const info of await variantsOf(store, chunk, options)) {
    const score = rank(info);
    if (score !== undefined) ranked.push({ info, score });
  }
  ranked.sort((a, b) => b.score - a.score || latest(b.info) - latest(a.info));
  for (const { info } of ranked) {
    const record = await store.get(info.key, options);
    if (record) return { info, record };
  }
  return undefined;
}

/**
 * Keeps a variant and lets the least useful of its chunk go where there are too many then. Two who put at once
 * may both be kept for a moment; the next put sets it right.
 *
 * @returns false when the store did not keep it; then nothing goes.
 * @throws InvalidArgumentError for a key that is not a variant's.
 */
export async function putVariant(
  store: ChunkStore,
  key: string,
  record: ChunkRecord,
  { maxVariants, usefulness, signal }: PutVariantOptions,
): Promise<boolean> {
  assertKey(key);
  const chunk = chunkOf(key);
  if (key === chunk) {
    throw new InvalidArgumentError(
      'putVariant: this is the key of a chunk; give one that variantKey() made.',
    );
  }
  if (!Number.isSafeInteger(maxVariants) || maxVariants < 1) {
    throw new InvalidArgumentError(
      `putVariant: maxVariants is ${maxVariants}; give a whole number of at least 1.`,
    );
  }
  const signalled = signal ? { signal } : {};
  if (!(await store.put(key, record, signalled))) return false;
  const infos = await variantsOf(store, chunk, signalled);
  const others = infos
    .filter((info) => info.key !== key && info.key !== chunk)
    .map((info) => ({ info, use: usefulness(info) }))
    .sort((a, b) => a.use - b.use || latest(a.info) - latest(b.info));
  const tooMany = Math.max(0, others.length + 1 - maxVariants);
  for (const { info } of others.slice(0, tooMany)) {
    await store.delete(info.key, { evictedFor: 'variant' });
  }
  return true;
}

/** {@link forgetChunks} of one chunk. */
export function forgetChunk(
  store: ChunkStore,
  chunk: string,
  options?: ForgetOptions,
): Promise<string[]> {
  return forgetChunks(store, [chunk], options);
}

/**
 * Deletes all that was made from chunks: their records, those of their variants, and every variant of another
 * chunk whose encoding attended to what goes ({@link EncodingContext.chunks}), on and on. Looks at the key of
 * every record in the store, and at the notes of every variant. One whose notes cannot be read goes as well.
 * A record that was evicted tells no more what it attended to: who encodes after variants names what those
 * attended to as well.
 *
 * @param chunks keys of chunks; of a variant's key its chunk is meant.
 * @returns the keys of the records that were deleted.
 * @throws what the store throws, after everything that could be found and deleted was.
 */
export async function forgetChunks(
  store: ChunkStore,
  chunks: readonly string[],
  { documents = [], neutral = [], signal }: ForgetOptions = {},
): Promise<string[]> {
  for (const chunk of chunks) assertKey(chunk);
  const gone = new Set(chunks.map(chunkOf));
  const doomed = new Set<string>();
  const others: string[] = [];
  const problems: unknown[] = [];
  try {
    for await (const key of store.list(signal ? { signal } : {})) {
      if (gone.has(chunkOf(key))) doomed.add(key);
      else if (key !== chunkOf(key)) others.push(key);
    }
  } catch (error) {
    signal?.throwIfAborted();
    problems.push(error);
  }

  const readers = new Map<string, string[]>();
  const lost = new Set(documents);
  await inParallel(parallel, others, async (key) => {
    signal?.throwIfAborted();
    const info = await store.info(key).catch(() => undefined);
    const { context, source } = info ?? {};
    const isWarmed = context && context.warmupTokens > 0 && lost.has(source?.documentId ?? '');
    if (!info || (isWarmed && !(await sawOnly(key, neutral)))) doomed.add(key);
    for (const read of context?.chunks ?? []) {
      if (gone.has(chunkOf(read))) doomed.add(key);
      const known = readers.get(read);
      if (known) known.push(key);
      else readers.set(read, [key]);
    }
  });
  // A set that grows while it is gone through: what attended to what goes is gone through as well.
  for (const key of doomed) for (const reader of readers.get(key) ?? []) doomed.add(reader);

  const deleted: string[] = [];
  await inParallel(parallel, [...doomed], async (key) => {
    try {
      if (await store.delete(key)) deleted.push(key);
    } catch (error) {
      problems.push(error);
    }
  });
  if (problems.length > 0) throw problems[0];
  return deleted;
}

/** Whether a variant was encoded after nothing but one of these texts: its key says so. */
async function sawOnly(key: string, warmups: readonly Int32Array[]): Promise<boolean> {
  for (const warmup of warmups) {
    if ((await variantKey(chunkOf(key), { warmup })) === key) return true;
  }
  return false;
}

function latest({ lastUsed, created }: RecordInfo): number {
  return Math.max(lastUsed, created);
}

function assertChunk(chunk: string): void {
  assertKey(chunk);
  if (chunk === chunkOf(chunk)) return;
  throw new InvalidArgumentError('This is the key of a variant; give that of its chunk.');
}
