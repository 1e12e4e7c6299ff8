import { test } from '@jest/globals';
import type Module from 'node:module';
import { join } from 'node:path';

/**
 * The real package, where it is installed and built: in the folder that CHUNKWEAVE_HNSWLIB names, or here. Loaded by
 * Node itself, since its native part does not come through Jest's modules.
 */
export const loadRealHnswlib = async (): Promise<unknown> => {
  const folder = process.env['CHUNKWEAVE_HNSWLIB'] ?? process.cwd();
  const { createRequire } = process.getBuiltinModule('node:module') as typeof Module;
  return createRequire(join(folder, 'package.json'))('hnswlib-node');
};

const isThere = await loadRealHnswlib().then(
  () => true,
  () => false,
);

if (!isThere && process.env['CI_HNSWLIB_REQUIRED']) {
  throw new Error('CI_HNSWLIB_REQUIRED is set, but hnswlib-node is not here, or was not built.');
}

/** Like `test`, skipped where the package is not to be had. */
export const hnswTest: typeof test = isThere ? test : (test.skip as typeof test);
