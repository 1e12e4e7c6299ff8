import { accessName } from '../../../lib/store/chunk-key.js';
import type { StoreMeter } from '../../../lib/store/meter.js';
import { Contents } from './contents.js';
import { Leases } from './leases.js';
import type { CheckedOptions } from './options.js';
import { Places } from './places.js';
import { Quarantine } from './quarantine.js';
import { Records } from './records.js';
import { Room } from './room.js';

/** The parts that a store over a folder is made of. */
export interface OpenFolder {
  readonly places: Places;
  readonly contents: Contents;
  readonly records: Records;
  readonly room: Room;
  readonly quarantine: Quarantine;
  readonly leases: Leases;
}

/** Damaged records that are kept, besides the store's bound. */
const quarantineLimits = { maxFiles: 64, maxBytes: 256 * 2 ** 20, share: 1 / 16 };

/** Reads nothing from the disk yet. */
export async function openFolder(options: CheckedOptions, meter: StoreMeter): Promise<OpenFolder> {
  const { directory, maxBytes, minFreeBytes, signingKey, finite, ttlMs } = options;
  const places = new Places(directory, await accessName(options));
  const contents = new Contents(places);
  const { maxFiles, share } = quarantineLimits;
  const quarantine = new Quarantine(places, {
    maxFiles,
    maxBytes: Math.min(quarantineLimits.maxBytes, maxBytes * share),
  });
  const records = new Records({
    places,
    quarantine,
    reading: { signingKey, finite },
    ttlMs,
    onCorrupt(key, problem) {
      contents.forget(key);
      meter.corrupt(key, problem);
    },
    onExpire(key, bytes) {
      contents.forget(key);
      meter.evict(key, bytes, 'expired');
    },
  });
  const room = new Room({
    places,
    contents,
    maxBytes,
    minFreeBytes,
    onEvict: ({ key, bytes }) => meter.evict(key, bytes, 'space'),
  });
  return { places, contents, records, room, quarantine, leases: new Leases(places) };
}
