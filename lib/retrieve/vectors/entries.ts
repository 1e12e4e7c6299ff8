import { InvalidArgumentError } from '../../errors.js';
import type { Steps } from '../../pace.js';
import {
  maxVectorLength,
  type VectorEntry,
  type VectorMetric,
  type VectorQueryOptions,
  type VectorSource,
} from '../vector-index.js';
import type { VectorMetadata } from '../vector-metadata.js';
import { checkFilter, isStorableText } from '../filter.js';
import { copyMetadata, MetadataProblem } from './metadata.js';

/** What vectors of an index have in common. */
export interface VectorShape {
  readonly dimensions: number;
  readonly metric: VectorMetric;
}

/** An entry that was checked. */
export interface CheckedEntry {
  readonly id: string;
  /** The caller's own: a million of them are not copied twice. */
  readonly vector: Float32Array;
  /** What its components are multiplied by when they are kept: brings it to length 1 where the metric is `cosine`. */
  readonly scale: number;
  readonly metadata: VectorMetadata;
}

export type AddMode = 'add' | 'upsert';

export const metrics: readonly VectorMetric[] = ['cosine', 'dot', 'euclidean'];
const maxDimensions = 65_536;

/**
 * @param maker the function that was given the options.
 * @throws InvalidArgumentError
 */
export function checkSource(maker: string, source: VectorSource, metric: VectorMetric): void {
  const { dimensions, fingerprint } = source ?? {};
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > maxDimensions) {
    throw new InvalidArgumentError(
      `${maker}: the embedder has ${String(dimensions)} dimensions; give 1 to ${maxDimensions}.`,
    );
  }
  if (!isStorableText(fingerprint) || fingerprint === '') {
    throw new InvalidArgumentError(
      `${maker}: the embedder has no fingerprint; give a text that changes whenever its vectors would.`,
    );
  }
  if (!metrics.includes(metric)) {
    throw new InvalidArgumentError(
      `${maker}: the metric is ${String(metric)}; give one of ${metrics.join(', ')}.`,
    );
  }
}

/**
 * Checks entries in steps, the last of an id where they are for `upsert`.
 * @throws InvalidArgumentError that names the first bad entry.
 */
export function* checkEntries(
  entries: readonly VectorEntry[],
  mode: AddMode,
  shape: VectorShape,
): Steps<CheckedEntry[]> {
  if (!Array.isArray(entries)) throw new InvalidArgumentError('Entries must come as an array.');
  const checked = new Map<string, CheckedEntry>();
  for (const [i, entry] of entries.entries()) {
    if (typeof entry !== 'object' || entry === null) {
      throw new InvalidArgumentError(`Entry ${i} is no object with an id and a vector.`);
    }
    const { id } = entry;
    checkId(id, `entry ${i}`);
    if (mode === 'add' && checked.has(id)) throw idIsTaken(id, 'comes twice in one call');
    const what = `entry ${i} (${shownId(id)})`;
    const scale = checkVector(entry.vector, what, shape);
    const metadata = checkedMetadata(entry.metadata, what);
    checked.set(id, { id, vector: entry.vector, scale, metadata });
    yield i / entries.length;
  }
  return [...checked.values()];
}

/** @throws InvalidArgumentError */
export function checkIds(ids: readonly string[]): void {
  if (!Array.isArray(ids)) throw new InvalidArgumentError('Ids must come as an array.');
  for (const [i, id] of ids.entries()) checkId(id, `id ${i}`);
}

/**
 * The query's vector, of length 1 where the metric is `cosine`.
 * @throws InvalidArgumentError
 */
export function checkQuery(
  vector: Float32Array,
  options: VectorQueryOptions,
  shape: VectorShape,
): Float32Array {
  const { k, filter } = options;
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new InvalidArgumentError(`k must be a whole number of at least 1, not ${String(k)}.`);
  }
  if (filter !== undefined) checkFilter(filter);
  const scale = checkVector(vector, "the query's vector", shape);
  return vector.map((value) => value * scale);
}

export function idIsTaken(id: string, problem = 'is there already'): InvalidArgumentError {
  return new InvalidArgumentError(
    `The id ${shownId(id)} ${problem}. Use upsert to replace an entry.`,
  );
}

function checkId(id: unknown, what: string): asserts id is string {
  if (isStorableText(id) && id !== '') return;
  const shown = typeof id === 'string' ? shownId(id) : String(id);
  throw new InvalidArgumentError(
    `The id of ${what} is ${shown}; give a text that is not empty, without U+0000 or half of a surrogate pair.`,
  );
}

/** What the vector is to be multiplied by. */
function checkVector(vector: unknown, what: string, shape: VectorShape): number {
  const { dimensions, metric } = shape;
  if (!isFloat32Array(vector)) {
    throw new InvalidArgumentError(`${what} must have a vector that is a Float32Array.`);
  }
  if (vector.length !== dimensions) {
    throw new InvalidArgumentError(
      `${what} has ${vector.length} dimensions, and the index ${dimensions}. Use the embedder that the index was made for.`,
    );
  }
  let squares = 0;
  for (let i = 0; i < dimensions; i++) {
    const value = vector[i] as number;
    squares += value * value;
  }
  const length = Math.sqrt(squares);
  if (!(length <= maxVectorLength)) {
    const at = vector.findIndex((value) => !Number.isFinite(value));
    throw new InvalidArgumentError(
      at < 0
        ? `${what} is longer than ${maxVectorLength}. Scale the vectors down.`
        : `${what} has ${vector[at]} at ${at}. Every component must be a finite number.`,
    );
  }
  if (metric !== 'cosine') return 1;
  if (length === 0) {
    throw new InvalidArgumentError(
      `${what} is a vector of zeros, which has no direction to compare by cosine. Leave it out, or use another metric.`,
    );
  }
  return 1 / length;
}

/** Also one of another realm, as under Jest. */
function isFloat32Array(value: unknown): value is Float32Array {
  return Object.prototype.toString.call(value) === '[object Float32Array]';
}

function checkedMetadata(metadata: VectorMetadata | undefined, what: string): VectorMetadata {
  try {
    return copyMetadata(metadata);
  } catch (error) {
    if (!(error instanceof MetadataProblem)) throw error;
    throw new InvalidArgumentError(`The metadata of ${what} are no plain JSON: ${error.message}.`);
  }
}

const shownId = (id: string): string => JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id);
