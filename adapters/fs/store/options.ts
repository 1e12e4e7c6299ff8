import { resolve } from 'node:path';
import {
  type Checked,
  checkRecordStoreOptions,
  recordStoreDefaults,
  type RecordStoreOptions,
  refuseOption,
} from '../../record/store-options.js';

export interface FolderStoreOptions extends RecordStoreOptions {
  /** Made when the first record is put, readable by its owner only. */
  readonly directory: string;
  /** Bound in bytes, of this tenant and label; the least recently used records go first. Default 4 GiB. */
  readonly maxBytes?: number;
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
}

export type CheckedOptions = Checked<FolderStoreOptions>;

/** @throws InvalidArgumentError */
export function checkOptions(options: FolderStoreOptions): CheckedOptions {
  const checked = {
    ...recordStoreDefaults,
    maxBytes: 4 * 2 ** 30,
    finite: false,
    fsync: 'never' as const,
    minFreeBytes: 64 * 2 ** 20,
    name: 'folder',
    ...options,
  };
  const { directory, minFreeBytes, fsync } = checked;
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    refuse('directory', directory, 'give the path of a folder');
  }
  checkRecordStoreOptions('folderStore', checked);
  if (!(minFreeBytes >= 0)) refuse('minFreeBytes', minFreeBytes, 'give 0 or more');
  if (fsync !== 'never' && fsync !== 'always') refuse('fsync', fsync, "give 'never' or 'always'");
  return { ...checked, directory: resolve(directory) };
}

const refuse = refuseOption.bind(undefined, 'folderStore');
