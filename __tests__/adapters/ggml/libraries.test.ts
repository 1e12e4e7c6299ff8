import { mkdtempSync, rmSync } from 'node:fs';
import * as os from 'node:os';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, jest, test } from '@jest/globals';
import { type Koffi, loadKoffi } from '../../../adapters/ggml/native/koffi.js';
import { BINARY_VERSION } from '../../../adapters/ggml/native/library.js';

// Jest gives tests a copy of `process`; Node's own modules look at the real one.
const real = (os.platform.constructor as FunctionConstructor)('return process')() as NodeJS.Process;
const own = { platform: real.platform, arch: real.arch };
const pretend = (platform: string, arch: string): void => {
  Object.defineProperty(real, 'platform', { value: platform });
  Object.defineProperty(real, 'arch', { value: arch });
};

/** Changes a native function when it is bound. */
let change: (name: string, bind: () => unknown) => unknown = (_name, bind) => bind();

const koffi = loadKoffi();
jest.unstable_mockModule('../../../adapters/ggml/native/koffi.js', () => ({
  loadKoffi: (): Koffi => ({ ...koffi, load: (...args) => changing(koffi.load(...args)) }),
}));

// Tests before this one may have left libraries in the process.
jest.unstable_mockModule('../../../adapters/ggml/native/loaded-libraries.js', () => ({
  loadedDirectories: () => [],
  realDirectory: (path: string) => path,
}));

function changing(library: ReturnType<Koffi['load']>): ReturnType<Koffi['load']> {
  return {
    symbol: library.symbol.bind(library),
    func: (name: string, ...rest: unknown[]) =>
      change(name, () =>
        (library.func as (...all: unknown[]) => unknown).call(library, name, ...rest),
      ),
  } as unknown as ReturnType<Koffi['load']>;
}

const { loadRuntime } = await import('../../../adapters/ggml/native/runtime.js');
const { listDevices, pickDevice } = await import('../../../adapters/ggml/devices.js');
const { DeviceError, NativeLibraryError } = await import('../../../lib/errors.js');

const empty = mkdtempSync(join(tmpdir(), 'chunkweave-empty-'));
afterAll(() => {
  pretend(own.platform, own.arch);
  rmSync(empty, { recursive: true, force: true });
});
beforeEach(() => {
  pretend(own.platform, own.arch);
  change = (_name, bind) => bind();
  delete process.env['CHUNKWEAVE_BINARIES'];
});

// The order matters: a process that has loaded its libraries once keeps them.
test.each([
  ['freebsd', 'x64'],
  ['linux', 'riscv64'],
  ['aix', 'ppc64'],
])('%s on %s has no libraries, and the error names what has', async (platform, arch) => {
  pretend(platform, arch);
  expect(() => loadRuntime('base')).toThrow(NativeLibraryError);
  expect(() => loadRuntime('base')).toThrow(/Linux, macOS and Windows on x64 and arm64/);
  await expect(pickDevice('auto')).rejects.toThrow(NativeLibraryError);
  await expect(pickDevice('cuda')).rejects.toThrow(DeviceError);
  expect(await listDevices()).toEqual([]);
});

test.each([
  ['linux', 'arm64', '@node-llama-cpp/linux-arm64'],
  ['darwin', 'arm64', '@node-llama-cpp/mac-arm64-metal'],
  ['darwin', 'x64', '@node-llama-cpp/mac-x64'],
  ['win32', 'x64', '@node-llama-cpp/win-x64'],
  ['win32', 'arm64', '@node-llama-cpp/win-arm64'],
])('on %s-%s a missing package is named with its exact version', (platform, arch, name) => {
  if (platform === own.platform && arch === own.arch) return;
  pretend(platform, arch);
  expect(() => loadRuntime('base')).toThrow(NativeLibraryError);
  expect(() => loadRuntime('base')).toThrow(`npm install ${name}@${BINARY_VERSION}`);
});

test('a folder without libraries is named, with the command that mends it', () => {
  process.env['CHUNKWEAVE_BINARIES'] = empty;
  expect(() => loadRuntime('base')).toThrow(NativeLibraryError);
  expect(() => loadRuntime('base')).toThrow(empty);
  expect(() => loadRuntime('base')).toThrow(/npm install .*@3\.22\.1/);
});

test('libraries of another release are refused, by version or by what they lack', () => {
  change = (name, bind) => (name === 'ggml_version' ? () => '0.99.0' : bind());
  expect(() => loadRuntime('base')).toThrow(NativeLibraryError);
  expect(() => loadRuntime('base')).toThrow(/ggml 0\.99\.0 .*npm|0\.99\.0.*Install/);
  change = (name, bind) => {
    if (name === 'llama_vocab_is_eog') throw new Error(`Cannot find function '${name}'`);
    return bind();
  };
  expect(() => loadRuntime('base')).toThrow(NativeLibraryError);
  expect(() => loadRuntime('base')).toThrow(new RegExp(`Install exactly.*@${BINARY_VERSION}`));
});

test('after all that was refused, the right libraries load', async () => {
  const { runtime, device } = await pickDevice('cpu');
  expect(runtime.ggml.devName(device)).toBe('CPU');
});
