import { createRequire } from 'node:module';
import { MissingPackageError } from '../../../lib/errors.js';

/** The part of koffi's interface that the bindings use. */
export type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/**
 * Stack of a native call. koffi gives asynchronous calls 128 KB by default: a driver that compiles shaders,
 * or a recursive regular expression in a tokenizer, writes beyond that and corrupts the heap.
 */
const STACK_BYTES = 8 << 20;

/** Loads koffi on first use, so that importing this package never touches native code. */
export function loadKoffi(): Koffi {
  if (loaded) return loaded;
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new MissingPackageError('koffi', 'The native engine', { cause });
  }
  const settings = koffi.config();
  if ((settings.async_stack_size ?? 0) < STACK_BYTES) {
    try {
      koffi.config({ ...settings, sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
    } catch {
      process.emitWarning(
        'koffi was used in this process before, so the native engine runs on small stacks. Load the engine first.',
        { code: 'CHUNKWEAVE_KOFFI_STACK' },
      );
    }
  }
  loaded = koffi;
  return koffi;
}
