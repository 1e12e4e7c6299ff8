import { createHmac, timingSafeEqual } from 'node:crypto';
import { BadRecord } from './bad-record.js';
import { signatureBytes, type RecordLayout } from './header.js';
import type { SigningKey } from './signing-key.js';

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
