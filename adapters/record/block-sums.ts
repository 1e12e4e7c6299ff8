import { createCipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { BadRecord } from './bad-record.js';
import type { SigningKey } from './signing-key.js';

/**
 * How the blocks of a record are checked. Poly1305 as OpenSSL computes it is twice as fast as zlib's CRC-32 where
 * blocks are large, slower where they are small, and not to be had everywhere (FIPS, Electron).
 */
export type SumKind = 'crc32' | 'poly1305';

export const sumBytes = 16;
export const saltBytes = 12;
/** Blocks of this size on are worth the 5 microseconds that Poly1305 takes before it begins. */
const polyFrom = 2 ** 16;
/** What node:crypto takes at once, less a block's padding. */
export const maxTaggedBytes = 2 ** 31 - 64;

type Mac = 'chacha20-poly1305' | 'aes-256-gcm';

/** A sum is against damage, so its key may as well be known to all. Signing takes a secret one. */
const knownKey = new Uint8Array(32).fill(0x5a);
const knownNonce = new Uint8Array(saltBytes);

let poly: boolean | undefined;

/** Whether sums of this kind can be computed here. */
export function isUsable(kind: SumKind): boolean {
  return kind === 'crc32' || (poly ??= canUsePoly());
}

/** The fastest kind for blocks of this size. */
export function fastestSum(blockBytes: number): SumKind {
  const isPoly = blockBytes >= polyFrom && blockBytes <= maxTaggedBytes && isUsable('poly1305');
  return isPoly ? 'poly1305' : 'crc32';
}

/** A block's sum: `sumBytes` bytes. */
export function sumOf(block: Uint8Array, kind: SumKind): Uint8Array {
  if (kind === 'poly1305') return macOf('chacha20-poly1305', knownKey, knownNonce, block);
  const sum = new Uint8Array(sumBytes);
  new DataView(sum.buffer).setUint32(0, crc32(block), true);
  return sum;
}

/** @throws BadRecord */
export function checkSum(block: Uint8Array, kind: SumKind, told: Uint8Array, index: number): void {
  if (kind === 'crc32') {
    const view = new DataView(told.buffer, told.byteOffset, sumBytes);
    if (crc32(block) === view.getUint32(0, true)) return;
  } else if (Buffer.compare(sumOf(block, kind), told) === 0) {
    return;
  }
  throw new BadRecord(`the checksum of its layer block ${index} is wrong`);
}

export function newSalt(): Uint8Array {
  return randomBytes(saltBytes);
}

/**
 * Tags that only a holder of the key can make: a one-time authenticator for each block. Its key is derived from the
 * secret and the record's salt, its nonce is the block's number, so no two blocks ever share both.
 */
export class BlockTags {
  readonly #mac: Mac;
  readonly #key: Uint8Array;

  constructor(key: SigningKey, salt: Uint8Array, kind: SumKind) {
    this.#mac = kind === 'poly1305' ? 'chacha20-poly1305' : 'aes-256-gcm';
    this.#key = createHmac('sha256', key).update('chunkweave blocks').update(salt).digest();
  }

  /** `sumBytes` bytes. */
  of(block: Uint8Array, index: number): Uint8Array {
    const nonce = new Uint8Array(saltBytes);
    new DataView(nonce.buffer).setUint32(0, index, true);
    return macOf(this.#mac, this.#key, nonce, block);
  }

  /** @throws BadRecord */
  check(block: Uint8Array, told: Uint8Array, index: number): void {
    if (timingSafeEqual(this.of(block, index), told)) return;
    throw new BadRecord(`the signature of its layer block ${index} is wrong`);
  }
}

/** Authenticates bytes without encrypting any. */
function macOf(mac: Mac, key: Uint8Array, nonce: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > maxTaggedBytes)
    throw new BadRecord('its layer blocks are too large to check');
  const options = { authTagLength: sumBytes };
  const cipher =
    mac === 'aes-256-gcm'
      ? createCipheriv(mac, key, nonce, options)
      : createCipheriv(mac, key, nonce, options);
  cipher.setAAD(bytes, { plaintextLength: 0 });
  cipher.final();
  return cipher.getAuthTag();
}

function canUsePoly(): boolean {
  try {
    macOf('chacha20-poly1305', knownKey, knownNonce, knownNonce);
    return true;
  } catch {
    return false;
  }
}
