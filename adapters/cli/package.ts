import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Folder of this package, whether it runs from its sources or as it was built. */
export function packageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve('chunkweave/package.json'));
}

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}
