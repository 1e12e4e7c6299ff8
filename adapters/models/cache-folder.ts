import { homedir } from 'node:os';
import { isAbsolute, join, posix, resolve, win32 } from 'node:path';
import type { ModelStoreOptions } from './types.js';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The folder for everything that can be made again: the one that `CHUNKWEAVE_CACHE` names, else this user's by the
 * platform's convention. Nothing is created.
 */
export function cacheFolder(env: Env = process.env, cwd: string = process.cwd()): string {
  const own = env['CHUNKWEAVE_CACHE'];
  return own ? resolve(cwd, own) : platformFolder(env, process.platform, homedir());
}

/** The folder that models are kept in: `options.cacheDirectory`, or `models` in {@link cacheFolder}. */
export function modelFolder(options: ModelStoreOptions = {}): string {
  const { cacheDirectory, env = process.env, cwd = process.cwd() } = options;
  return cacheDirectory ? resolve(cwd, cacheDirectory) : join(cacheFolder(env, cwd), 'models');
}

/** Exported for tests of other platforms. */
export function platformFolder(env: Env, platform: NodeJS.Platform, home: string): string {
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local');
    return win32.join(local, 'chunkweave', 'Cache');
  }
  if (platform === 'darwin') return posix.join(home, 'Library', 'Caches', 'chunkweave');
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG convention: a relative path is to be ignored.
  const base = xdg && isAbsolute(xdg) ? xdg : posix.join(home, '.cache');
  return posix.join(base, 'chunkweave');
}
