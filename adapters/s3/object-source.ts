import { BadRecord } from '../record/bad-record.js';
import { type ByteSource, bytesSource } from '../record/byte-source.js';
import type { Bucket, CallOptions, Refusal } from './bucket.js';

/** An object of which the beginning has been read. */
export interface OpenObject {
  readonly head: Uint8Array;
  readonly etag: string;
  /** All of it, as long as it stays. */
  readonly source: ByteSource;
}

export interface OpenObjectOptions extends CallOptions {
  /** How much of it to read at first: a small object comes whole. */
  readonly headBytes: number;
  readonly maxBytes: number;
}

/** The object was replaced or removed while it was read. */
export class ObjectChanged extends Error {}

/** @throws ServerFailure, BadRecord where it is too large, the signal's reason */
export async function openObject(
  bucket: Bucket,
  name: string,
  { headBytes, maxBytes, ...call }: OpenObjectOptions,
): Promise<OpenObject | Refusal> {
  const part = await bucket.read(name, { ...call, from: 0, to: headBytes, maxBytes: headBytes });
  if (typeof part === 'string') return part;
  const { bytes: head, total, etag } = part;
  if (total > maxBytes) {
    throw new BadRecord(`it has ${total} bytes where ${maxBytes} are the most`);
  }
  if (total <= head.byteLength) return { head, etag, source: bytesSource(head) };
  const source: ByteSource = {
    length: total,
    async read(target, at, signal) {
      const known = head.subarray(at, at + target.byteLength);
      target.set(known);
      const into = target.subarray(known.byteLength);
      if (into.byteLength === 0) return;
      const from = at + known.byteLength;
      const to = at + target.byteLength;
      const rest = await bucket.read(name, {
        ...call,
        signal,
        from,
        to,
        etag,
        into,
        maxBytes: into.byteLength,
      });
      if (typeof rest === 'string') throw new ObjectChanged();
      if (rest.bytes !== into) throw new BadRecord('it is cut short');
    },
  };
  return { head, etag, source };
}
