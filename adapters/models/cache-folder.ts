import { homedir } from 'node:os';
import { isAbsolute, join, posix, resolve, win32 } from 'node:path';
import type { ModelStoreOptions } from './types.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The folder that models are kept in: `options.cacheDirectory`, or `models` in the folder that
 * `CHUNKWEAVE_CACHE` names, or in the platform's place for caches of this user. Nothing is created.
 */
export function modelFolder(options: ModelStoreOptions = {}): string {
  const { cacheDirectory, env = process.env, cwd = process.cwd() } = options;
  if (cacheDirectory) return resolve(cwd, cacheDirectory);
  const own = env['CHUNKWEAVE_CACHE'];
  if (own) return join(resolve(cwd, own), 'models');
  return platformFolder(env, process.platform, homedir());
}

/** Exported for tests of other platforms. */
export function platformFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local');
    return win32.join(local, 'chunkweave', 'models');
  }
  if (platform === 'darwin') return posix.join(home, 'Library', 'Caches', 'chunkweave', 'models');
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG convention: a relative path is to be ignored.
  const base = xdg && isAbsolute(xdg) ? xdg : posix.join(home, '.cache');
  return posix.join(base, 'chunkweave', 'models');
}
