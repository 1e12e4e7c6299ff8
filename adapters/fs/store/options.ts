import { resolve } from 'node:path';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { type Access, noLabel, publicTenant } from '../../../lib/store/chunk-key.js';
import type { KvCodec } from '../../../lib/store/codec/codec.js';
import { f16Codec } from '../../../lib/store/codec/f16.js';
import type { StoreListener } from '../../../lib/store/store-stats.js';
import { assertSigningKey, type SigningKey } from '../../record/signature.js';

export interface FolderStoreOptions extends Access {
  /** Made when the first record is put, readable by its owner only. */
  readonly directory: string;
  /** Bound in bytes, of this tenant and label; the least recently used records go first. Default 4 GiB. */
  readonly maxBytes?: number;
  /**
   * How records are kept, by this store from now on; those in another codec stay readable. One that is not lossless
   * changes the KV. Default {@link f16Codec}.
   */
  readonly codec?: KvCodec;
  /**
   * Signs records, so that nobody else who can write to the folder can plant KV: a record that is not signed with it
   * is taken for damaged. At least 16 bytes. Default none.
   */
  readonly signingKey?: SigningKey;
  /** Take records that hold numbers which are not finite for damaged. Default false. */
  readonly finite?: boolean;
  /**
   * With 'always', {@link ChunkStore.put} resolves once the record would outlast a loss of power. With 'never', a
   * record may be lost then, but is not half kept. Default 'never'.
   */
  readonly fsync?: 'never' | 'always';
  /** Bytes of the disk that stay free: nothing is kept below. Default 64 MiB. */
  readonly minFreeBytes?: number;
  /**
   * Milliseconds that a record lives from its making, whether it is used or not. Those that are over are misses, and
   * go when they are asked for or at the next {@link FolderStore.compact}. Default for ever.
   */
  readonly ttlMs?: number;
  /** Stands in stats and events; default `folder`. */
  readonly name?: string;
  readonly onEvent?: StoreListener;
}

export type CheckedOptions = Required<Omit<FolderStoreOptions, 'signingKey' | 'onEvent'>> &
  Pick<FolderStoreOptions, 'signingKey' | 'onEvent'>;

/** @throws InvalidArgumentError */
export function checkOptions(options: FolderStoreOptions): CheckedOptions {
  const checked = {
    tenant: publicTenant,
    label: noLabel,
    maxBytes: 4 * 2 ** 30,
    codec: f16Codec(),
    finite: false,
    fsync: 'never' as const,
    minFreeBytes: 64 * 2 ** 20,
    ttlMs: Infinity,
    name: 'folder',
    ...options,
  };
  const { directory, maxBytes, minFreeBytes, ttlMs, fsync, signingKey } = checked;
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    refuse('directory', directory, 'give the path of a folder');
  }
  for (const name of ['tenant', 'label', 'name'] as const) {
    if (typeof checked[name] !== 'string') refuse(name, checked[name], 'give a text');
  }
  if (!(maxBytes > 0)) refuse('maxBytes', maxBytes, 'give a positive number');
  if (!(minFreeBytes >= 0)) refuse('minFreeBytes', minFreeBytes, 'give 0 or more');
  if (!(ttlMs > 0)) refuse('ttlMs', ttlMs, 'give a positive number');
  if (fsync !== 'never' && fsync !== 'always') refuse('fsync', fsync, "give 'never' or 'always'");
  if (signingKey !== undefined) assertSigningKey(signingKey);
  return { ...checked, directory: resolve(directory) };
}

function refuse(name: string, value: unknown, advice: string): never {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new InvalidArgumentError(`folderStore: ${name} is ${shown}; ${advice}.`);
}
