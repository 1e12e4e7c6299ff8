import type { ChunkKv, LayerRange } from '../../lib/engine/chunk-kv.js';
import { StoreError } from '../../lib/errors.js';
import type { StoreMeter } from '../../lib/store/meter.js';
import type { Miss } from './miss.js';
import type { RecordReader } from './read-record.js';

export interface GiveLayersOptions<T extends { readonly reader: RecordReader }> {
  readonly meter: StoreMeter;
  readonly layers?: LayerRange | undefined;
  readonly open: () => Promise<T | Miss>;
  /** What a failure comes to. @throws the signal's reason, and errors that nobody expects */
  readonly failed: (opened: T, error: unknown) => Promise<Miss>;
  /** Called at the end of a hit, also where the caller wanted no more layers. */
  readonly used: (opened: T) => void;
  /** Called instead where it was none. */
  readonly unused?: (opened: T) => Promise<void>;
}

/**
 * Gives out a record's layers and counts that as one hit, with the time that reading them took, or as a miss.
 * @throws StoreError where one cannot be read after others were given out
 */
export async function* giveLayers<T extends { readonly reader: RecordReader }>(
  key: string,
  { meter, layers: wanted, open, failed, used, unused }: GiveLayersOptions<T>,
): AsyncGenerator<ChunkKv> {
  let start = performance.now();
  const opened = await open();
  if ('reason' in opened) {
    meter.miss(key, opened.reason);
    return;
  }
  const { reader } = opened;
  let loadMs = 0;
  let bytes = 0;
  let isHit = false;
  try {
    const layers = reader.readLayers(wanted);
    for (;;) {
      const { value, done } = await layers.next();
      // The time that the caller takes between two layers is not ours.
      loadMs += performance.now() - start;
      isHit = true;
      if (done) return;
      bytes += value.data.byteLength;
      yield value;
      start = performance.now();
    }
  } catch (error) {
    const begun = isHit;
    isHit = false;
    const { reason, problem } = await failed(opened, error);
    meter.miss(key, reason);
    if (begun) throw new StoreError(`The rest of the record ${key} cannot be read: ${problem}.`);
  } finally {
    if (isHit) {
      const { kv, computeMs: recomputeMs } = reader.metadata.record;
      meter.read(key, { bytes, tokens: kv.tokens.length, recomputeMs }, loadMs);
      used(opened);
    } else {
      await unused?.(opened);
    }
  }
}
