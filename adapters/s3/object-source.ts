import { BadRecord } from '../record/bad-record.js';
import { type ByteSource, bytesSource } from '../record/byte-source.js';
import { type OpenValue, ValueChanged } from '../record/server-records.js';
import type { Bucket, CallOptions, Refusal } from './bucket.js';

export interface OpenObjectOptions extends CallOptions {
  /** How much of it to read at first: a small object comes whole. */
  readonly headBytes: number;
}

/** Reads the beginning of an object. @throws ServerFailure, the signal's reason */
export async function openObject(
  bucket: Bucket,
  name: string,
  { headBytes, ...call }: OpenObjectOptions,
): Promise<OpenValue | Refusal> {
  const part = await bucket.read(name, { ...call, from: 0, to: headBytes, maxBytes: headBytes });
  if (typeof part === 'string') return part;
  const { bytes: head, total, etag } = part;
  if (total <= head.byteLength) return { identity: etag, source: bytesSource(head) };
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
      if (typeof rest === 'string') throw new ValueChanged();
      if (rest.bytes !== into) throw new BadRecord('it is cut short');
    },
  };
  return { identity: etag, source };
}
