import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { NativeLibraryError } from '../../../lib/errors.js';

/** The exact version of the binary packages that the bindings were written for. */
export const BINARY_VERSION = '3.22.1';

/** Which set of native libraries: the base one computes on the CPU (and on Metal, on Apple silicon). */
export type BinaryVariant = 'base' | 'vulkan' | 'cuda';

/** Where one set of native libraries lies. */
export interface BinarySet {
  readonly variant: BinaryVariant;
  readonly packageName: string;
  readonly directory: string;
  readonly ggmlBase: string;
  readonly ggml: string;
  readonly llama: string;
}

/** Name of the npm package that holds a set of libraries for this platform, or undefined if none exists. */
export function binaryPackageName(variant: BinaryVariant): string | undefined {
  const system = { linux: 'linux', darwin: 'mac', win32: 'win' }[platform() as string];
  const cpu = arch();
  if (!system || (cpu !== 'x64' && cpu !== 'arm64')) return undefined;
  if (variant !== 'base') {
    return system !== 'mac' && cpu === 'x64'
      ? `@node-llama-cpp/${system}-${cpu}-${variant}`
      : undefined;
  }
  return system === 'mac' && cpu === 'arm64'
    ? '@node-llama-cpp/mac-arm64-metal'
    : `@node-llama-cpp/${system}-${cpu}`;
}

/** Finds an installed set of libraries; undefined where the package is not installed. */
export function findBinaries(variant: BinaryVariant): BinarySet | undefined {
  const packageName = binaryPackageName(variant);
  if (!packageName) return undefined;
  const override = process.env['CHUNKWEAVE_BINARIES'];
  const root = variant === 'base' && override ? override : packageRoot(packageName);
  if (!root) return undefined;
  const directory = libraryDirectory(root);
  if (!directory) {
    throw new NativeLibraryError(
      `The package ${packageName} holds no libraries (${root}). Install it again: npm install ${packageName}@${BINARY_VERSION}`,
    );
  }
  return binariesIn(directory, variant, packageName);
}

/** The libraries of a folder. @throws NativeLibraryError when one is missing. */
export function binariesIn(
  directory: string,
  variant: BinaryVariant,
  packageName: string,
): BinarySet {
  const files = readdirSync(directory);
  return {
    variant,
    packageName,
    directory,
    ggmlBase: join(directory, pick(files, 'ggml-base', packageName)),
    ggml: join(directory, pick(files, 'ggml', packageName)),
    llama: join(directory, pick(files, 'llama', packageName)),
  };
}

function packageRoot(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  for (const base of require.resolve.paths(name) ?? []) {
    if (existsSync(join(base, name, 'package.json'))) return join(base, name);
  }
  return undefined;
}

/** The package keeps its libraries in `bins/<platform>[-variant]`. */
function libraryDirectory(root: string): string | undefined {
  if (holdsLibraries(root)) return root;
  const bins = join(root, 'bins');
  if (!existsSync(bins)) return undefined;
  return readdirSync(bins)
    .map((name) => join(bins, name))
    .find(holdsLibraries);
}

function holdsLibraries(directory: string): boolean {
  return (
    existsSync(directory) && readdirSync(directory).some((file) => /^(lib)?ggml-base\b/.test(file))
  );
}

/** `libggml.v0.5.0.so`, `libggml.vulkan.v0.5.0.so`, `libggml.dylib`, `ggml.dll`: names vary by platform. */
function pick(files: readonly string[], name: string, packageName: string): string {
  const pattern = new RegExp(
    `^(lib)?${name}(\\.[a-z]+)?(\\.v?[0-9.]+)?\\.(so|dylib|dll)(\\.[0-9.]+)?$`,
  );
  const found = files.find((file) => pattern.test(file));
  if (!found) {
    throw new NativeLibraryError(
      `The package ${packageName} lacks the library ${name}. Install it again: npm install ${packageName}@${BINARY_VERSION}`,
    );
  }
  return found;
}
