import { createRequire } from 'node:module';
import { MissingPackageError } from '../../../lib/errors.js';

/** The part of koffi's interface that the bindings use. */
export type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/** Loads koffi on first use, so that importing this package never touches native code. */
export function loadKoffi(): Koffi {
  try {
    loaded ??= createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new MissingPackageError('koffi', 'The native engine', { cause });
  }
  return loaded;
}
