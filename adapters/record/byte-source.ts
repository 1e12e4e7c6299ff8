import { BadRecord } from './bad-record.js';

/** Where a record's bytes come from. */
export interface ByteSource {
  readonly length: number;
  /** Fills `target` from byte `at` on; rejects where there are not enough. */
  read(target: Uint8Array, at: number, signal?: AbortSignal): Promise<void>;
  /** The bytes where they are, if they are in memory and will not change: a record's KV may go on using them. */
  view?(at: number, length: number): Uint8Array | undefined;
}

/** A record that is in memory. Its bytes must not be changed any more. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.byteLength,
    async read(target, at) {
      if (at + target.byteLength > bytes.byteLength) throw new BadRecord('it is cut short');
      target.set(bytes.subarray(at, at + target.byteLength));
    },
    view(at, length) {
      const view = bytes.subarray(at, at + length);
      // Numbers of several bytes can only be looked at where they are aligned.
      return view.byteLength === length && view.byteOffset % 8 === 0 ? view : undefined;
    },
  };
}

/** Serves what was read already from memory, the rest from its source. */
export function afterHead(head: Uint8Array, source: ByteSource): ByteSource {
  return {
    length: source.length,
    async read(target, at, signal) {
      const known = head.subarray(at, at + target.byteLength);
      target.set(known);
      if (known.byteLength === target.byteLength) return;
      await source.read(target.subarray(known.byteLength), at + known.byteLength, signal);
    },
    ...(source.view && { view: (at: number, length: number) => source.view?.(at, length) }),
  };
}

/** Memory of its own, not zeroed: all of it must be written before anyone sees it. */
export function uninitialised(bytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
}
