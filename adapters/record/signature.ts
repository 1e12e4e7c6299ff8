import { createHmac, timingSafeEqual } from 'node:crypto';
import { InvalidArgumentError } from '../../lib/errors.js';
import { BadRecord } from './bad-record.js';
import { signatureBytes, type RecordLayout } from './header.js';

/** A secret that records are signed with: at least 16 bytes, shared by all who share the store. */
export type SigningKey = Uint8Array | string;

/** @throws InvalidArgumentError for a secret that is too short. */
export function assertSigningKey(key: SigningKey): void {
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : key.byteLength;
  if (bytes < 16) {
    throw new InvalidArgumentError(
      `A signing key has ${bytes} bytes; give at least 16, for example randomBytes(32).`,
    );
  }
}

/** Signs what the preamble says, the tags of all blocks included. */
export function sign(preamble: Uint8Array, layout: RecordLayout, key: SigningKey): void {
  preamble.set(signatureOf(preamble, layout, key), layout.signatureOffset);
}

/** @throws BadRecord for a record that is not signed, or not with this key. */
export function checkSignature(
  preamble: Uint8Array,
  layout: RecordLayout,
  key: SigningKey | undefined,
): void {
  if (key === undefined) return;
  if (!layout.signed) throw new BadRecord('it is not signed');
  const { signatureOffset } = layout;
  const told = preamble.subarray(signatureOffset, signatureOffset + signatureBytes);
  if (!timingSafeEqual(told, signatureOf(preamble, layout, key))) {
    throw new BadRecord('its signature is wrong');
  }
}

function signatureOf(preamble: Uint8Array, layout: RecordLayout, key: SigningKey): Uint8Array {
  return createHmac('sha256', key)
    .update(preamble.subarray(0, 40))
    .update(preamble.subarray(48, layout.signatureOffset))
    .update(preamble.subarray(layout.signatureOffset + signatureBytes))
    .digest();
}
