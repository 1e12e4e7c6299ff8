import { createRequire } from 'node:module';
import { ChunkweaveError } from '../../lib/errors.js';

const require = createRequire(import.meta.url);

/** The installed `@langchain/core` is of another major version than the adapter is written for. */
export class PeerVersionError extends ChunkweaveError {
  readonly installed: string;

  constructor(installed: string) {
    super(
      'PEER_VERSION',
      `chunkweave/langchain needs @langchain/core 1.x, and ${installed} is installed. Run: npm install @langchain/core@^1`,
    );
    this.installed = installed;
  }
}

/** @throws PeerVersionError unless the version is 1.x. */
export function checkPeer(version: string): void {
  if (!version.startsWith('1.')) throw new PeerVersionError(version);
}

let isChecked = false;

/** Checks the installed package once. Where its manifest cannot be read, as in a bundle, nothing is said. */
export function assertPeer(): void {
  if (isChecked) return;
  const version = versionOf('@langchain/core/package.json');
  if (version !== undefined) checkPeer(version);
  isChecked = true;
}

/** This package's own version, for traces. */
export const ownVersion = versionOf('chunkweave/package.json') ?? '0';

function versionOf(manifest: string): string | undefined {
  try {
    const { version } = require(manifest) as { readonly version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    return undefined;
  }
}
