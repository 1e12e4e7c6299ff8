import { InvalidArgumentError } from '../../errors.js';
import type { ChunkStore } from '../chunk-store.js';
import type { StoreStats } from '../store-stats.js';
import { attempt } from '../tiered/attempt.js';
import type { GaugeName } from './measures.js';

export interface Reading {
  readonly store: string;
  readonly gauge: GaugeName;
  readonly value: number;
}

/** Stores whose statistics are asked for when metrics are collected. */
export class WatchedStores {
  readonly #stores = new Set<Pick<ChunkStore, 'stats'>>();
  readonly #timeoutMs: number;

  /** @throws InvalidArgumentError for a time that is none. */
  constructor(timeoutMs: number) {
    if (!(timeoutMs > 0)) {
      throw new InvalidArgumentError(`timeoutMs is ${timeoutMs}; give a positive number.`);
    }
    this.#timeoutMs = timeoutMs;
  }

  /** Until it is disposed of. */
  watch(store: Pick<ChunkStore, 'stats'>): Disposable {
    // Of two who watch the same store, each stops for itself.
    const watched = { stats: () => store.stats() };
    this.#stores.add(watched);
    return { [Symbol.dispose]: () => void this.#stores.delete(watched) };
  }

  /** Readings of all stores and their tiers. One that fails, or takes too long, is left out. */
  async read(): Promise<Reading[]> {
    const readings = await Promise.all(
      [...this.#stores].map(async (store) => {
        const { outcome } = attempt(() => store.stats(), { deadlineMs: this.#timeoutMs });
        const result = await outcome;
        return result.ok ? readingsOf(result.value) : [];
      }),
    );
    return readings.flat();
  }
}

function readingsOf({ name: store, records, bytes, maxBytes, tiers = [] }: StoreStats): Reading[] {
  return [
    { store, gauge: 'records', value: records },
    { store, gauge: 'size', value: bytes },
    ...(Number.isFinite(maxBytes) ? [{ store, gauge: 'limit', value: maxBytes } as const] : []),
    ...tiers.flatMap((tier) => readingsOf(tier)),
  ];
}
