import { BadRecord } from './bad-record.js';

/** Where a record's bytes come from. */
export interface ByteSource {
  readonly length: number;
  /** Fills `target` from byte `at` on; rejects where there are not enough. */
  read(target: Uint8Array, at: number, signal?: AbortSignal): Promise<void>;
  /**
   * Where the bytes are in memory, if they are, or will be once {@link arrive} says so. A record's KV may go on using
   * that memory.
   */
  view?(at: number, length: number): Uint8Array | undefined;
  /** Resolves when all bytes up to `end` can be seen in a view. Without it, they always can. */
  arrive?(end: number): Promise<void>;
}

/** A record that is in memory. Its bytes must not be changed any more. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.byteLength,
    async read(target, at) {
      if (at + target.byteLength > bytes.byteLength) throw new BadRecord('it is cut short');
      target.set(bytes.subarray(at, at + target.byteLength));
    },
    view: (at, length) => alignedView(bytes, at, length),
  };
}

/** Numbers of several bytes can only be looked at where they are aligned. */
export function alignedView(bytes: Uint8Array, at: number, length: number): Uint8Array | undefined {
  const view = bytes.subarray(at, at + length);
  return view.byteLength === length && view.byteOffset % 8 === 0 ? view : undefined;
}

/** A run of a source's bytes, without a copy where that is possible. */
export async function bytesAt(
  source: ByteSource,
  at: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const there = source.view?.(at, length);
  if (there) {
    await source.arrive?.(at + length);
    return there;
  }
  const bytes = uninitialised(length);
  await source.read(bytes, at, signal);
  return bytes;
}

/** Serves what was read already from memory, the rest from its source. */
export function afterHead(head: Uint8Array, source: ByteSource): ByteSource {
  // There is nothing to save where all is in memory.
  if (source.view) return source;
  return {
    length: source.length,
    async read(target, at, signal) {
      const known = head.subarray(at, at + target.byteLength);
      target.set(known);
      if (known.byteLength === target.byteLength) return;
      await source.read(target.subarray(known.byteLength), at + known.byteLength, signal);
    },
  };
}

/** Memory of its own, not zeroed: all of it must be written before anyone sees it. */
export function uninitialised(bytes: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
}
