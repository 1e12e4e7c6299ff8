import { NativeLibraryError } from '../../../lib/errors.js';
import { runAtOnce, runSteps, type Steps } from '../../../lib/pace.js';
import { Lock } from '../lock.js';
import { bindGgml, type Ggml } from './ggml.js';
import { loadKoffi, type Koffi } from './koffi.js';
import {
  BINARY_VERSION,
  binariesIn,
  binaryPackageName,
  type BinarySet,
  type BinaryVariant,
  findBinaries,
} from './library.js';
import { loadedDirectories, realDirectory } from './loaded-libraries.js';
import { bindLlama, type Llama } from './llama.js';
import type { DevicePtr } from './pointer.js';

/** What `ggml_version()` says in the binaries that the bindings were written for. */
const GGML_VERSION = '0.25.1';

/** The native libraries of this process, loaded once. */
export interface Runtime {
  readonly koffi: Koffi;
  readonly binaries: BinarySet;
  readonly ggml: Ggml;
  readonly llama: Llama;
  readonly devices: readonly DevicePtr[];
}

let runtime: Runtime | undefined;
/** Loads that pause come one after another, so that each sees which set of libraries is there. */
const loading = new Lock();

/** The libraries that this process already runs, if any. */
export function currentRuntime(): Runtime | undefined {
  return runtime;
}

/**
 * Loads one set of native libraries. A process can hold one set only: a second one would bind to the first
 * one's symbols, so asking for another is an error. Takes some tens of milliseconds the first time; see {@link openRuntime}.
 * @throws NativeLibraryError naming the command that installs what is missing.
 */
export function loadRuntime(variant: BinaryVariant): Runtime {
  return runAtOnce(load(variant));
}

/** {@link loadRuntime} with a turn for the event loop between one library and the next. */
export function openRuntime(variant: BinaryVariant): Promise<Runtime> {
  // Without a signal: half of a set of libraries cannot be taken back.
  return loading.run(() => runSteps(load(variant)));
}

function* load(variant: BinaryVariant): Steps<Runtime> {
  if (runtime) {
    if (runtime.binaries.variant === variant) return runtime;
    throw new NativeLibraryError(
      `This process already runs the ${runtime.binaries.variant} libraries, and a process can hold one set only. Use device "${variant}" in a process of its own.`,
    );
  }
  const packageName = binaryPackageName(variant);
  if (!packageName) {
    throw new NativeLibraryError(
      `There are no ${variant} libraries for ${process.platform}-${process.arch}. Supported: Linux, macOS and Windows on x64 and arm64.`,
    );
  }
  const installed = findBinaries(variant);
  if (!installed) {
    throw new NativeLibraryError(
      `The native libraries are not installed. Run: npm install ${packageName}@${BINARY_VERSION}`,
    );
  }
  const binaries = alreadyLoaded(installed) ?? installed;
  yield 0.1;
  const koffi = loadKoffi();
  yield 0.3;
  let ggml: Ggml;
  let llama: Llama;
  try {
    // libllama first: it resolves the libraries beside it that the rest is bound to.
    koffi.load(binaries.llama, { global: true });
    yield 0.4;
    ggml = bindGgml(koffi, binaries);
    guardVersion(ggml.version(), binaries);
    yield 0.5;
    llama = bindLlama(koffi, binaries);
  } catch (cause) {
    if (cause instanceof NativeLibraryError) throw cause;
    throw new NativeLibraryError(
      `The libraries of ${packageName} cannot be loaded (${(cause as Error).message}). Install exactly this version: npm install ${packageName}@${BINARY_VERSION}`,
      { cause },
    );
  }
  ggml.logSet(ggml.silentLog, null);
  llama.logSet(ggml.silentLog, null);
  yield 0.6;
  // Another library in the process may have registered the backends already.
  if (Number(ggml.devCount()) === 0) ggml.loadAllFromPath(binaries.directory);
  const devices = Array.from({ length: Number(ggml.devCount()) }, (_, i) => ggml.devGet(i));
  if (devices.length === 0) {
    throw new NativeLibraryError(
      `The libraries of ${packageName} offer no device on this machine. Install them again: npm install ${packageName}@${BINARY_VERSION}`,
    );
  }
  yield 0.9;
  llama.guardAbi(binaries);
  llama.backendInit();
  runtime ??= { koffi, binaries, ggml, llama, devices };
  return runtime;
}

/**
 * The libraries that another part of the process has loaded from another folder, node-llama-cpp for example. A
 * second copy beside them would call into the first one here and there, and end the process.
 * @throws NativeLibraryError when they are not all there.
 */
function alreadyLoaded(installed: BinarySet): BinarySet | undefined {
  const { directory, packageName, variant } = installed;
  const [other] = loadedDirectories().filter((path) => path !== realDirectory(directory));
  if (other === undefined) return undefined;
  try {
    return binariesIn(other, variant, packageName);
  } catch (cause) {
    throw new NativeLibraryError(
      `This process already runs another ggml, from ${other}, and a process can hold one only. Load the engine in a process of its own.`,
      { cause },
    );
  }
}

function guardVersion(found: string, binaries: BinarySet): void {
  if (found === GGML_VERSION) return;
  throw new NativeLibraryError(
    `ggml ${found} answers in this process, but these bindings were written for ${GGML_VERSION}. ` +
      `Install ${binaries.packageName}@${BINARY_VERSION}, and make sure that no other library loads another llama.cpp first.`,
  );
}
