import { InvalidArgumentError } from '../../lib/errors.js';
import { type Access, noLabel, publicTenant } from '../../lib/store/chunk-key.js';
import type { KvCodec } from '../../lib/store/codec/codec.js';
import { f16Codec } from '../../lib/store/codec/f16.js';
import type { StoreListener } from '../../lib/store/store-stats.js';
import { assertSigningKey, type SigningKey } from './signing-key.js';

/** What all stores that keep records as bytes let their users choose. */
export interface RecordStoreOptions extends Access {
  /** Bound in bytes, of this tenant and label. */
  readonly maxBytes?: number;
  /**
   * How records are kept, by this store from now on; those in another codec stay readable. One that is not lossless
   * changes the KV. Default {@link f16Codec}.
   */
  readonly codec?: KvCodec;
  /**
   * Signs records, so that nobody else who can write to the store can plant KV: a record that is not signed with it
   * is taken for damaged. At least 16 bytes. Default none.
   */
  readonly signingKey?: SigningKey;
  /** Take records that hold numbers which are not finite for damaged. */
  readonly finite?: boolean;
  /** Milliseconds that a record lives from its making, whether it is used or not. Default for ever. */
  readonly ttlMs?: number;
  /** Stands in stats and events. */
  readonly name?: string;
  readonly onEvent?: StoreListener;
}

/** Defaults of what does not depend on the kind of store. */
export const recordStoreDefaults = {
  tenant: publicTenant,
  label: noLabel,
  codec: f16Codec(),
  ttlMs: Infinity,
};

export type Checked<T extends RecordStoreOptions> = Required<Omit<T, 'signingKey' | 'onEvent'>> &
  Pick<T, 'signingKey' | 'onEvent'>;

/**
 * @param maker the function that was given the options.
 * @throws InvalidArgumentError
 */
export function checkRecordStoreOptions(maker: string, options: Checked<RecordStoreOptions>): void {
  const { maxBytes, ttlMs, signingKey } = options;
  for (const name of ['tenant', 'label', 'name'] as const) {
    if (typeof options[name] !== 'string') refuseOption(maker, name, options[name], 'give a text');
  }
  if (!(maxBytes > 0)) refuseOption(maker, 'maxBytes', maxBytes, 'give a positive number');
  if (!(ttlMs > 0)) refuseOption(maker, 'ttlMs', ttlMs, 'give a positive number');
  if (signingKey !== undefined) assertSigningKey(signingKey);
}

/** @throws InvalidArgumentError */
export function refuseOption(maker: string, name: string, value: unknown, advice: string): never {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new InvalidArgumentError(`${maker}: ${name} is ${shown}; ${advice}.`);
}

/** Whether a record outlived the time that a store gives it. */
export function isOver({ created }: { readonly created: number }, ttlMs: number): boolean {
  return Date.now() - created > ttlMs;
}
