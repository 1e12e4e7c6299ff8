import type { Chunk } from '../document.js';
import { batchTokens, encodingMs } from './encoding-ms.js';
import type { WeaveKit } from './kit.js';
import { batches, type Obtained, type Wanted } from './kv-library.js';
import type { PlannedWork, WarmTally } from './warm-tally.js';

/** Until a speed was measured, this many tokens are planned to find it out. */
const firstTokens = 512;

/**
 * Makes KV of passages that is not there yet, each after the prefix or the warm-up text, in the order given, until
 * the budget is used up. Stops before a batch that would not end in time.
 */
export class WarmPassages {
  readonly #kit: WeaveKit;
  readonly #chunks: readonly Chunk[];
  readonly #tally: WarmTally;
  readonly #signal: AbortSignal;
  #next = 0;

  constructor(kit: WeaveKit, chunks: readonly Chunk[], tally: WarmTally, signal: AbortSignal) {
    this.#kit = kit;
    this.#chunks = chunks;
    this.#tally = tally;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    for (;;) {
      const planned = await this.#plan();
      if (planned.length === 0) return;
      this.#tally.tellEstimate(this.#workOf(planned), this.#workOf(this.#chunks));
      if (!(await this.#encode(planned))) return;
    }
  }

  /** The next chunks without KV, as many as the rest of the budget is expected to take. */
  async #plan(): Promise<Wanted[]> {
    const { costs, library, encodings, cells } = this.#kit;
    const planned: Wanted[] = [];
    let tokens = 0;
    const mostTokens = costs.msPerToken === undefined ? firstTokens : Infinity;
    while (this.#next < this.#chunks.length && tokens < mostTokens) {
      this.#signal.throwIfAborted();
      const item = await encodings.alone(this.#chunks[this.#next] as Chunk);
      if (!this.#fits(tokens + item.tokens.length)) break;
      this.#next++;
      // It could never be part of a prompt either.
      if (item.tokens.length > cells.total) continue;
      if (await library.has(item.key)) {
        this.#tally.cached++;
        continue;
      }
      tokens += item.tokens.length;
      planned.push(item);
    }
    return planned;
  }

  /** False when the budget ended it. */
  async #encode(planned: readonly Wanted[]): Promise<boolean> {
    const { library, cells } = this.#kit;
    const signal = this.#signal;
    for (const batch of batches(planned, Math.min(batchTokens, cells.total))) {
      const { kept: count } = this.#workOf(batch);
      if (!this.#fits(count)) return false;
      const lease = await cells.acquire(count, signal);
      try {
        const obtaining = library.obtain(batch, { signal });
        try {
          for (const item of obtaining.items) this.#count(await item);
        } finally {
          await obtaining.settled;
        }
      } finally {
        lease.release();
      }
      this.#tally.tellProgress();
    }
    return true;
  }

  #count({ record, cached }: Obtained): void {
    const { length } = record.kv.tokens;
    if (cached) this.#tally.cached++;
    else this.#tally.add({ chunks: 1, computed: length, kept: length });
  }

  #fits(tokens: number): boolean {
    return this.#tally.fits(this.#expectedMs(tokens), tokens);
  }

  #expectedMs(tokens: number): number | undefined {
    const { costs, encodings } = this.#kit;
    return encodingMs(costs, tokens, encodings.before);
  }

  #workOf(items: readonly { readonly tokens: Int32Array }[]): PlannedWork {
    let kept = 0;
    for (const { tokens } of items) kept += tokens.length;
    return { chunks: items.length, computed: kept, kept, expectedMs: this.#expectedMs(kept) };
  }
}
