import { accessName } from '../../lib/store/chunk-key.js';
import type { StoreMeter } from '../../lib/store/meter.js';
import { ServerRecords } from '../record/server-records.js';
import type { Connection } from './connection.js';
import { Contents } from './contents.js';
import { Keys } from './keys.js';
import { Leases } from './leases.js';
import type { CheckedOptions } from './options.js';
import { type OpenOptions, RedisRecords } from './records.js';

/** The parts that a store on a server is made of. */
export interface OpenServer {
  readonly keys: Keys;
  readonly contents: Contents;
  readonly records: ServerRecords<OpenOptions>;
  readonly leases: Leases;
}

/** Asks the server nothing yet. */
export async function openServer(
  connection: Connection,
  options: CheckedOptions,
  meter: StoreMeter,
): Promise<OpenServer> {
  const { prefix, signingKey, finite, ttlMs, maxRecordBytes } = options;
  const keys = new Keys(prefix, await accessName(options));
  const contents = new Contents(connection, keys);
  const records = new ServerRecords(new RedisRecords(connection, keys, contents), {
    reading: { signingKey, finite },
    ttlMs,
    maxRecordBytes,
    onCorrupt: (key, problem) => meter.corrupt(key, problem),
    onExpire: (key, bytes) => meter.evict(key, bytes, 'expired'),
  });
  return { keys, contents, records, leases: new Leases(connection, keys) };
}
