import { describe, expect, test } from '@jest/globals';
import { loadKoffi, type Koffi } from '../../../adapters/ggml/native/koffi.js';
import { BINARY_VERSION, findBinaries } from '../../../adapters/ggml/native/library.js';
import { bindLlama } from '../../../adapters/ggml/native/llama.js';
import { loadRuntime, openRuntime } from '../../../adapters/ggml/native/runtime.js';
import { NativeLibraryError } from '../../../lib/errors.js';
import { runtime } from '../../support/native.js';

test('loads that pause, begun at once, share one set of libraries', async () => {
  const [one, other] = await Promise.all([openRuntime('base'), openRuntime('base')]);
  expect(other).toBe(one);
  expect(loadRuntime('base')).toBe(one);
});

test('the libraries load once, are of the expected release and offer a CPU', () => {
  const first = runtime();
  expect(loadRuntime('base')).toBe(first);
  expect(first.llama.version()).toMatch(/^0\.5\.0/);
  expect(first.devices.map((device) => first.ggml.devName(device))).toContain('CPU');
  expect(() => first.llama.guardAbi(first.binaries)).not.toThrow();
});

test('a process refuses a second set of libraries', () => {
  runtime();
  expect(() => loadRuntime('vulkan')).toThrow(NativeLibraryError);
});

/** Koffi whose default parameters have one field changed, as another release's would. */
function changed(field: string, value: unknown): Koffi {
  const koffi = loadKoffi();
  return {
    ...koffi,
    load: (...args: Parameters<Koffi['load']>) => {
      const library = koffi.load(...args);
      const func = (name: string, ...rest: unknown[]): unknown => {
        const real = (library.func as (...all: unknown[]) => unknown)(name, ...rest) as (
          ...all: unknown[]
        ) => object;
        return name.endsWith('_default_params')
          ? () => {
              const found = real();
              return field in found ? { ...found, [field]: value } : found;
            }
          : real;
      };
      return { ...library, func };
    },
  } as unknown as Koffi;
}

describe('the ABI guard', () => {
  test.each([
    ['n_ubatch', 1024],
    ['swa_full', false],
    ['yarn_beta_slow', 0],
    ['use_extra_bufts', false],
    ['load_mode', 7],
  ])('refuses a library whose %s is %s', (field, value) => {
    const { binaries } = runtime();
    const llama = bindLlama(changed(field, value), binaries);
    expect(() => llama.guardAbi(binaries)).toThrow(NativeLibraryError);
    expect(() => llama.guardAbi(binaries)).toThrow(
      new RegExp(`${field} is ${value}.*npm install ${binaries.packageName}@${BINARY_VERSION}`),
    );
  });
});

test('binaries are found beside the package', () => {
  expect(findBinaries('base')?.llama).toMatch(/llama/);
});
