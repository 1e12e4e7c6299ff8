import { BadRecord } from '../record/bad-record.js';
import { bytesSource, type ByteSource } from '../record/byte-source.js';
import type { Connection, SendOptions } from './connection.js';

/** A value on the server, of which the beginning has been read. */
export interface OpenValue {
  readonly head: Uint8Array;
  /** All of it, as long as it is. */
  readonly source: ByteSource;
}

/**
 * Reads the length and the beginning of a value in one go. Undefined where there is none.
 * @param headBytes how much of it; whoever wants no more gets a small value whole.
 * @throws ServerFailure
 */
export async function openValue(
  connection: Connection,
  name: string,
  { headBytes, ...send }: SendOptions & { readonly headBytes: number },
): Promise<OpenValue | undefined> {
  const options = { lateAt: connection.lateAt(), ...send };
  const [length, head] = await Promise.all([
    connection.send(['STRLEN', name], options),
    rangeOf(connection, name, 0, headBytes, options),
  ]);
  const total = Number(length);
  if (total === 0 || head.byteLength === 0) return undefined;
  if (total <= head.byteLength) return { head, source: bytesSource(head) };
  const source: ByteSource = {
    length: total,
    async read(target, at, signal) {
      const known = head.subarray(at, at + target.byteLength);
      target.set(known);
      if (known.byteLength === target.byteLength) return;
      const from = at + known.byteLength;
      const to = at + target.byteLength;
      const rest = await rangeOf(connection, name, from, to, { ...send, signal });
      if (rest.byteLength !== to - from) throw new BadRecord('it is cut short');
      target.set(rest, known.byteLength);
    },
  };
  return { head, source };
}

async function rangeOf(
  connection: Connection,
  name: string,
  from: number,
  to: number,
  options: SendOptions,
): Promise<Uint8Array> {
  const reply = await connection.send(['GETRANGE', name, String(from), String(to - 1)], options);
  if (!(reply instanceof Uint8Array)) throw new BadRecord('it is no text');
  return reply;
}
