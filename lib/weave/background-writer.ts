import { recordBytes } from '../store/record.js';
import { chunkOf } from '../store/chunk-key.js';
import type { ChunkRecord, ChunkStore, RecordInfo } from '../store/chunk-store.js';
import { putVariant } from '../store/variants.js';

/** Records that wait to be written may take this many bytes before makers of new ones have to wait. */
const maxPendingBytes = 256 * 2 ** 20;

interface Pending {
  readonly record: ChunkRecord;
  readonly done: Promise<void>;
}

/** Puts records into a store while answers go on. A record is found here until it is in the store. */
export class BackgroundWriter {
  readonly #store: ChunkStore;
  readonly #maxVariants: number;
  readonly #pending = new Map<string, Pending>();
  #bytes = 0;
  /** Records that the store did not keep. */
  refused = 0;

  /** @param maxVariants of a chunk that are kept; default any number. */
  constructor(store: ChunkStore, { maxVariants = Infinity }: { maxVariants?: number } = {}) {
    this.#store = store;
    this.#maxVariants = maxVariants;
  }

  find(key: string): ChunkRecord | undefined {
    return this.#pending.get(key)?.record;
  }

  /** @param then is called when it is in the store, or was not kept; must not fail. */
  put(key: string, record: ChunkRecord, then?: () => Promise<void>): void {
    const bytes = recordBytes(record);
    this.#bytes += bytes;
    const write = async (): Promise<void> => {
      await this.#write(key, record);
      this.#bytes -= bytes;
      await then?.();
      if (this.#pending.get(key)?.record === record) this.#pending.delete(key);
    };
    this.#pending.set(key, { record, done: write() });
  }

  /** Waits until few enough bytes are pending. */
  async room(): Promise<void> {
    while (this.#bytes > maxPendingBytes) {
      await Promise.race([...this.#pending.values()].map(({ done }) => done));
    }
  }

  /** Waits until all is written. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) {
      await Promise.all([...this.#pending.values()].map(({ done }) => done));
    }
  }

  async #write(key: string, record: ChunkRecord): Promise<void> {
    try {
      const maxVariants = this.#maxVariants;
      const isBounded = key !== chunkOf(key) && maxVariants < Infinity;
      const kept = isBounded
        ? await putVariant(this.#store, key, record, { maxVariants, usefulness })
        : await this.#store.put(key, record);
      if (!kept) this.refused++;
    } catch {
      this.refused++;
    }
  }
}

/** Of those used as often, the one used longest ago goes first. */
function usefulness({ hits }: RecordInfo): number {
  return hits;
}
