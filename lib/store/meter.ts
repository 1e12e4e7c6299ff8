import type { ChunkRecord } from './chunk-store.js';
import type {
  EvictionReason,
  MissReason,
  Percentiles,
  StoreEvent,
  StoreListener,
  StoreStats,
} from './store-stats.js';

/** Load times that percentiles are taken from. */
const window = 1024;

type Told = StoreEvent extends infer E ? (E extends StoreEvent ? Omit<E, 'store'> : never) : never;

/** Counts what happens in a store, and tells a listener. A listener that throws is not asked again. */
export class StoreMeter {
  readonly #name: string;
  #listener: StoreListener | undefined;
  readonly #misses: Partial<Record<MissReason, number>> = {};
  readonly #evictions: Partial<Record<EvictionReason, number>> = {};
  readonly #loads: number[] = [];
  #hits = 0;
  #corrupt = 0;
  #refused = 0;
  #tokens = 0;
  #recomputeMs = 0;

  constructor(name: string, listener?: StoreListener) {
    this.#name = name;
    this.#listener = listener;
  }

  hit(key: string, record: Pick<ChunkRecord, 'kv' | 'computeMs'>, loadMs: number): void {
    const { kv, computeMs: recomputeMs } = record;
    const bytes = kv.data.byteLength;
    this.read(key, { bytes, tokens: kv.tokens.length, recomputeMs }, loadMs);
  }

  /** A hit of which the layers were read alone. */
  read(
    key: string,
    { bytes, tokens, recomputeMs }: { bytes: number; tokens: number; recomputeMs: number },
    loadMs: number,
  ): void {
    this.#loads[this.#hits % window] = loadMs;
    this.#hits++;
    this.#tokens += tokens;
    this.#recomputeMs += recomputeMs;
    this.#tell({ type: 'hit', key, bytes, tokens, loadMs, recomputeMs });
  }

  miss(key: string, reason: MissReason): void {
    this.#misses[reason] = (this.#misses[reason] ?? 0) + 1;
    this.#tell({ type: 'miss', key, reason });
  }

  put(key: string, bytes: number, kept: boolean): void {
    if (!kept) this.#refused++;
    this.#tell({ type: 'put', key, bytes, kept });
  }

  evict(key: string, bytes: number, reason: EvictionReason): void {
    this.#evictions[reason] = (this.#evictions[reason] ?? 0) + 1;
    this.#tell({ type: 'evict', key, bytes, reason });
  }

  corrupt(key: string, problem: string): void {
    this.#corrupt++;
    this.#tell({ type: 'corrupt', key, problem });
  }

  circuit(state: 'open' | 'closed', problem?: string): void {
    this.#tell({ type: 'circuit', state, ...(problem !== undefined && { problem }) });
  }

  stats(size: { records: number; bytes: number; maxBytes: number }): StoreStats {
    const loadMs = percentiles(this.#loads);
    return {
      name: this.#name,
      ...size,
      hits: this.#hits,
      misses: total(this.#misses),
      missesBy: { ...this.#misses },
      evictions: total(this.#evictions),
      evictionsBy: { ...this.#evictions },
      corrupt: this.#corrupt,
      refused: this.#refused,
      ...(loadMs && { loadMs }),
      saved: { tokens: this.#tokens, recomputeMs: this.#recomputeMs },
    };
  }

  #tell(event: Told): void {
    try {
      this.#listener?.({ store: this.#name, ...event } as StoreEvent);
    } catch {
      this.#listener = undefined;
    }
  }
}

function total(counts: Readonly<Partial<Record<string, number>>>): number {
  return Object.values(counts).reduce<number>((sum, count) => sum + (count ?? 0), 0);
}

function percentiles(times: readonly number[]): Percentiles | undefined {
  if (times.length === 0) return undefined;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
