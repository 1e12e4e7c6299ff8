import type { ChunkKv, LayerRange } from '../../lib/engine/chunk-kv.js';
import { StoreError } from '../../lib/errors.js';
import type { StoreMeter } from '../../lib/store/meter.js';
import type { Miss } from './miss.js';
import type { RecordReader } from './read-record.js';

export interface GiveLayersOptions {
  readonly meter: StoreMeter;
  /** When opening the record began, by `performance.now()`. */
  readonly start: number;
  readonly layers?: LayerRange | undefined;
  /** What a failure comes to. @throws the signal's reason, and errors that nobody expects */
  readonly failed: (error: unknown) => Promise<Miss>;
  /** Called at the end of a hit, also where the caller wanted no more layers. */
  readonly used: () => void;
  /** Called instead where it was none. */
  readonly unused?: () => Promise<void>;
}

/**
 * Gives out a record's layers and counts that as one hit, with the time that reading them took.
 * @throws StoreError where one cannot be read after others were given out
 */
export async function* giveLayers(
  key: string,
  reader: RecordReader,
  options: GiveLayersOptions,
): AsyncGenerator<ChunkKv> {
  const { meter, failed, used, unused } = options;
  let { start } = options;
  let loadMs = 0;
  let bytes = 0;
  let isHit = false;
  try {
    const layers = reader.readLayers(options.layers);
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
    const { reason, problem } = await failed(error);
    meter.miss(key, reason);
    if (begun) throw new StoreError(`The rest of the record ${key} cannot be read: ${problem}.`);
  } finally {
    if (isHit) {
      const { kv, computeMs: recomputeMs } = reader.metadata.record;
      meter.read(key, { bytes, tokens: kv.tokens.length, recomputeMs }, loadMs);
      used();
    } else {
      await unused?.();
    }
  }
}
