import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DeviceError } from '../../lib/errors.js';
import type { DeviceInfo } from '../../lib/engine/device.js';
import { describeDevice } from './backend.js';
import {
  BINARY_VERSION,
  binaryPackageName,
  type BinaryVariant,
  findBinaries,
} from './native/library.js';
import type { DevicePtr } from './native/pointer.js';
import { currentRuntime, openRuntime, type Runtime } from './native/runtime.js';

/** `auto` takes a GPU where one can be used, else the CPU. */
export type DeviceChoice = 'auto' | 'cpu' | 'vulkan' | 'cuda' | 'metal';

/** One set of libraries and what it found on this machine. */
export interface BinaryReport {
  readonly variant: BinaryVariant;
  readonly packageName: string | undefined;
  readonly installed: boolean;
  readonly devices: readonly DeviceInfo[];
  /** Why there are no devices, or the command that installs the package. */
  readonly note?: string;
}

const variants: readonly BinaryVariant[] = ['base', 'cuda', 'vulkan'];

/**
 * What could run a model on this machine. Each installed set of libraries is tried in a process of its own,
 * since a process can hold one set only.
 */
export async function listDevices(
  options: { readonly signal?: AbortSignal } = {},
): Promise<BinaryReport[]> {
  const reports: BinaryReport[] = [];
  for (const variant of variants) {
    const packageName = binaryPackageName(variant);
    if (!packageName) continue;
    if (!findBinaries(variant)) {
      reports.push({
        variant,
        packageName,
        installed: false,
        devices: [],
        note: `npm install ${packageName}@${BINARY_VERSION}`,
      });
      continue;
    }
    reports.push({
      variant,
      packageName,
      installed: true,
      ...(await probe(variant, options.signal)),
    });
  }
  return reports;
}

/** Loads the libraries for a device and picks it. @throws DeviceError, NativeLibraryError */
export async function pickDevice(
  choice: DeviceChoice,
  signal?: AbortSignal,
): Promise<{ runtime: Runtime; device: DevicePtr }> {
  switch (choice) {
    case 'cpu':
      return need(currentRuntime() ?? (await openRuntime('base')), 'cpu');
    case 'metal':
      return need(await openRuntime('base'), 'metal');
    case 'vulkan':
    case 'cuda':
      requireInstalled(choice);
      return need(await openRuntime(choice), choice);
    case 'auto':
      return auto(signal);
    default:
      throw new DeviceError(
        `There is no device "${String(choice)}". Use auto, cpu, vulkan, cuda or metal.`,
      );
  }
}

async function auto(
  signal: AbortSignal | undefined,
): Promise<{ runtime: Runtime; device: DevicePtr }> {
  const loaded = currentRuntime();
  if (!loaded) {
    for (const variant of ['cuda', 'vulkan'] as const) {
      if (!binaryPackageName(variant) || !findBinaries(variant)) continue;
      const { devices } = await probe(variant, signal);
      if (devices.some((device) => device.kind === variant)) {
        return need(await openRuntime(variant), variant);
      }
    }
  }
  const runtime = loaded ?? (await openRuntime('base'));
  const gpu = runtime.devices.find((device) => describeDevice(runtime, device).kind !== 'cpu');
  return gpu ? { runtime, device: gpu } : need(runtime, 'cpu');
}

function requireInstalled(variant: 'vulkan' | 'cuda'): void {
  const packageName = binaryPackageName(variant);
  if (!packageName) {
    throw new DeviceError(
      `There are no ${variant} libraries for ${process.platform}-${process.arch}. Use device: 'auto'.`,
    );
  }
  if (!findBinaries(variant)) {
    throw new DeviceError(
      `The ${variant} libraries are not installed. Run: npm install ${packageName}@${BINARY_VERSION}`,
    );
  }
}

function need(
  runtime: Runtime,
  kind: Exclude<DeviceChoice, 'auto'>,
): { runtime: Runtime; device: DevicePtr } {
  const device = runtime.devices.find((pointer) => describeDevice(runtime, pointer).kind === kind);
  if (device) return { runtime, device };
  const found = runtime.devices.map((pointer) => describeDevice(runtime, pointer).name).join(', ');
  const advice =
    kind === 'metal' ? 'Metal needs a Mac.' : 'Check its driver, or use device: "cpu".';
  throw new DeviceError(`There is no ${kind} device on this machine (found: ${found}). ${advice}`);
}

async function probe(
  variant: BinaryVariant,
  signal: AbortSignal | undefined,
): Promise<Pick<BinaryReport, 'devices' | 'note'>> {
  const script = fileURLToPath(new URL('./native/probe.js', import.meta.url));
  if (!existsSync(script))
    throw new DeviceError(`The file ${script} is missing; build the package.`);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [script, variant], {
      timeout: 60_000,
      ...(signal && { signal }),
    });
    return { devices: JSON.parse(stdout.split('\n').at(-2) ?? '') as DeviceInfo[] };
  } catch (error) {
    signal?.throwIfAborted();
    const { stderr, message } = error as { stderr?: string; message: string };
    return { devices: [], note: (stderr?.trim().split('\n').at(-1) || message).slice(0, 300) };
  }
}
