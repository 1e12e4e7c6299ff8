import { InvalidArgumentError } from '../../lib/errors.js';

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
