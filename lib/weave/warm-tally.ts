import type { IngestProgress, KvEstimate, WarmReport } from './options.js';

export interface WarmLimits {
  readonly milliseconds: number;
  /** Of KV made. */
  readonly bytes: number;
}

/** Chunk KV that is to be made, or was. */
export interface WarmWork {
  readonly chunks: number;
  /** Tokens that are computed for it: warm-up and overlaps included. */
  readonly computed: number;
  /** Tokens whose KV is kept. */
  readonly kept: number;
}

export interface PlannedWork extends WarmWork {
  /** Milliseconds that it is expected to take; undefined while nothing was measured. */
  readonly expectedMs: number | undefined;
}

/** What making chunk KV took so far, and what is left of its budget. */
export class WarmTally {
  readonly #limits: WarmLimits;
  readonly #bytesPerToken: number;
  readonly #onProgress: ((progress: IngestProgress) => void) | undefined;
  readonly #start = performance.now();
  #encoded = 0;
  #computed = 0;
  #kept = 0;
  /** Chunks whose KV was there. */
  cached = 0;

  constructor(
    limits: WarmLimits,
    bytesPerToken: number,
    onProgress?: (progress: IngestProgress) => void,
  ) {
    this.#limits = limits;
    this.#bytesPerToken = bytesPerToken;
    this.#onProgress = onProgress;
  }

  /** Whether work is within the budget that takes so long, as far as anybody knows, and keeps so many tokens. */
  fits(milliseconds: number | undefined, kept: number): boolean {
    if (this.#elapsed() + (milliseconds ?? 0) > this.#limits.milliseconds) return false;
    return (this.#kept + kept) * this.#bytesPerToken <= this.#limits.bytes;
  }

  add({ chunks, computed, kept }: WarmWork): void {
    this.#encoded += chunks;
    this.#computed += computed;
    this.#kept += kept;
  }

  tellEstimate(planned: PlannedWork, all: PlannedWork): void {
    const estimate = ({ chunks, computed, kept, expectedMs }: PlannedWork): KvEstimate => ({
      chunks,
      tokens: computed,
      bytes: kept * this.#bytesPerToken,
      ...(expectedMs !== undefined && { milliseconds: expectedMs }),
    });
    this.#onProgress?.({ phase: 'estimate', planned: estimate(planned), all: estimate(all) });
  }

  tellProgress(): void {
    const milliseconds = this.#elapsed();
    const bytes = this.#kept * this.#bytesPerToken;
    const { milliseconds: mostMs, bytes: mostBytes } = this.#limits;
    this.#onProgress?.({
      phase: 'encode',
      chunks: this.#encoded,
      tokens: this.#computed,
      bytes,
      milliseconds,
      share: Math.min(1, Math.max(milliseconds / mostMs, bytes / mostBytes)),
    });
  }

  /** @param chunks how many there were to be made. */
  report(chunks: number, refused: number): WarmReport {
    return {
      encoded: this.#encoded,
      cached: this.cached,
      left: chunks - this.#encoded - this.cached,
      tokens: this.#computed,
      bytes: this.#kept * this.#bytesPerToken,
      milliseconds: this.#elapsed(),
      refused,
    };
  }

  #elapsed(): number {
    return performance.now() - this.#start;
  }
}
