import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../adapters/models/cache-folder.js';
import type { ContextEmbedder, Embedder, PassageInContext } from '../../lib/index.js';
import { isContextEmbedder } from '../../lib/retrieve/embedder.js';

/** Bytes that stand for a text: enough that no two of them meet. */
const keyBytes = 16;
/** Texts embedded between two writes: what was embedded is kept when a run is broken off. */
const batchSize = 64;

/** Where vectors of an embedder are kept unless a file is named: in the folder for what can be made again. */
export function vectorsPath({ fingerprint }: Embedder): string {
  const name = createHash('sha256').update(fingerprint).digest('hex').slice(0, 24);
  return join(cacheFolder(), 'bench', `${name}.vectors`);
}

/**
 * Embeds each text once, over all runs: records of a hash and a vector are appended to a file of this embedder. What a
 * broken run left of a record at the end is cut off.
 */
export function keepVectors(embedder: Embedder, path: string): Embedder {
  const { dimensions, fingerprint } = embedder;
  const recordBytes = keyBytes + 4 * dimensions;
  const known = new Map<string, Float32Array>();
  let isRead = false;
  const read = (): void => {
    if (isRead) return;
    isRead = true;
    mkdirSync(dirname(path), { recursive: true });
    const bytes = bytesOf(path);
    for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
      const vector = new Float32Array(dimensions);
      Buffer.from(vector.buffer).set(bytes.subarray(at + keyBytes, at + recordBytes));
      known.set(bytes.toString('latin1', at, at + keyBytes), vector);
    }
    const torn = bytes.length % recordBytes;
    if (torn > 0) truncateSync(path, bytes.length - torn);
  };
  const keyOf = (kind: string, text: string): string =>
    createHash('sha256')
      .update(`${fingerprint}\0${kind}\0${text}`)
      .digest()
      .toString('latin1', 0, keyBytes);
  /** Of texts by their keys, in order; those that are not known are asked for in batches. */
  const vectorsOf = async (
    keys: readonly string[],
    embed: (wanted: readonly number[]) => Promise<Float32Array[]>,
  ): Promise<Float32Array[]> => {
    read();
    const missing = new Map<string, number>();
    for (const [i, key] of keys.entries()) if (!known.has(key)) missing.set(key, i);
    const wanted = [...missing];
    for (let from = 0; from < wanted.length; from += batchSize) {
      const batch = wanted.slice(from, from + batchSize);
      const vectors = await embed(batch.map(([, i]) => i));
      const records = Buffer.alloc(batch.length * recordBytes);
      for (const [i, [key]] of batch.entries()) {
        const vector = Float32Array.from(vectors[i] as Float32Array);
        records.write(key, i * recordBytes, 'latin1');
        records.set(new Uint8Array(vector.buffer), i * recordBytes + keyBytes);
        known.set(key, vector);
      }
      appendFileSync(path, records);
    }
    return keys.map((key) => known.get(key) as Float32Array);
  };
  const kept: Embedder = {
    fingerprint,
    dimensions,
    embed: (texts, options) =>
      vectorsOf(
        texts.map((text) => keyOf(options.kind, text)),
        (wanted) =>
          embedder.embed(
            wanted.map((i) => texts[i] as string),
            options,
          ),
      ),
  };
  if (!isContextEmbedder(embedder)) return kept;
  const inContext: ContextEmbedder = {
    ...kept,
    embedInContext: (passages, options) =>
      vectorsOf(
        passages.map((passage) => keyOf('in context', JSON.stringify(passage))),
        (wanted) =>
          embedder.embedInContext(
            wanted.map((i) => passages[i] as PassageInContext),
            options,
          ),
      ),
  };
  return inContext;
}

function bytesOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
