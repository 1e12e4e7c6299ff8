import type { Chunk } from '../document.js';
import { kvBytesPerToken } from '../engine/model-info.js';
import { InvalidArgumentError } from '../errors.js';
import type { WeaveKit } from './kit.js';
import { encodingMs } from './encoding-ms.js';
import { batches, type Wanted } from './kv-library.js';
import type { KvBudget, KvEstimate, WarmOptions, WarmReport } from './options.js';

/** Until a speed was measured, this many tokens are planned to find it out. */
const firstTokens = 512;

/**
 * Makes chunk KV that is not there yet, in the order given, until the budget is used up. Stops before a
 * batch that would not end in time.
 */
export async function warmChunks(
  kit: WeaveKit,
  chunks: readonly Chunk[],
  options: WarmOptions,
  signal: AbortSignal,
): Promise<WarmReport> {
  const run = new WarmRun(
    kit,
    chunks,
    await limits(kit, options.budget),
    options.onProgress,
    signal,
  );
  return run.run();
}

interface Limits {
  readonly milliseconds: number;
  readonly bytes: number;
}

/** @throws InvalidArgumentError for a bound that is no number of at least 0. */
export function checkBudget(budget: KvBudget = {}): void {
  for (const [name, value] of Object.entries(budget)) {
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue;
    throw new InvalidArgumentError(
      `budget.${name} is ${String(value)}; give a number of at least 0.`,
    );
  }
}

async function limits(kit: WeaveKit, budget: KvBudget = {}): Promise<Limits> {
  const { milliseconds = 10_000, bytes = (await kit.store.stats()).maxBytes } = budget;
  return { milliseconds, bytes };
}

class WarmRun {
  readonly #kit: WeaveKit;
  readonly #chunks: readonly Chunk[];
  readonly #limits: Limits;
  readonly #onProgress: WarmOptions['onProgress'];
  readonly #signal: AbortSignal;
  readonly #bytesPerToken: number;
  readonly #start = performance.now();
  #next = 0;
  #encoded = 0;
  #cached = 0;
  #tokens = 0;

  constructor(
    kit: WeaveKit,
    chunks: readonly Chunk[],
    limits: Limits,
    onProgress: WarmOptions['onProgress'],
    signal: AbortSignal,
  ) {
    this.#kit = kit;
    this.#chunks = chunks;
    this.#limits = limits;
    this.#onProgress = onProgress;
    this.#signal = signal;
    this.#bytesPerToken = kvBytesPerToken(kit.engine.model.kv);
  }

  async run(): Promise<WarmReport> {
    const { writer, prefix } = this.#kit;
    const refused = writer.refused;
    if (this.#chunks.length > 0 && this.#limits.milliseconds > 0 && this.#limits.bytes > 0) {
      // Computing the prefix is needed anyway and measures the speed.
      await prefix.use(this.#signal);
      for (;;) {
        const planned = await this.#plan();
        if (planned.length === 0) break;
        this.#tellEstimate(planned);
        if (!(await this.#encode(planned))) break;
      }
      await writer.idle();
    }
    return {
      encoded: this.#encoded,
      cached: this.#cached,
      left: this.#chunks.length - this.#encoded - this.#cached,
      tokens: this.#tokens,
      bytes: this.#tokens * this.#bytesPerToken,
      milliseconds: this.#elapsed(),
      refused: writer.refused - refused,
    };
  }

  /** The next chunks without KV, as many as the rest of the budget is expected to take. */
  async #plan(): Promise<Wanted[]> {
    const { costs, library, wanted, cells } = this.#kit;
    const planned: Wanted[] = [];
    let tokens = 0;
    const mostTokens = costs.msPerToken === undefined ? firstTokens : Infinity;
    while (this.#next < this.#chunks.length && tokens < mostTokens) {
      this.#signal.throwIfAborted();
      const item = await wanted.of(this.#chunks[this.#next] as Chunk);
      if (!this.#fits(tokens + item.tokens.length)) break;
      this.#next++;
      // It could never be part of a prompt either.
      if (item.tokens.length > cells.total) continue;
      if (await library.has(item.key)) {
        this.#cached++;
        continue;
      }
      tokens += item.tokens.length;
      planned.push(item);
    }
    return planned;
  }

  /** False when the budget ended it. */
  async #encode(planned: readonly Wanted[]): Promise<boolean> {
    const { library, cells, prefix } = this.#kit;
    const signal = this.#signal;
    for (const batch of batches(planned)) {
      const count = batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
      if (!this.#fits(count)) return false;
      const lease = await cells.acquire(count, signal);
      try {
        const { sequence } = await prefix.use(signal);
        const obtaining = library.obtain(batch, { prefix: sequence, signal });
        try {
          for (const item of obtaining.items) {
            const { record, cached } = await item;
            if (cached) this.#cached++;
            else this.#encoded++;
            if (!cached) this.#tokens += record.kv.tokens.length;
          }
        } finally {
          await obtaining.settled;
        }
      } finally {
        lease.release();
      }
      this.#tellProgress();
    }
    return true;
  }

  /** Whether so many tokens more are within the budget. */
  #fits(tokens: number): boolean {
    const { milliseconds, bytes } = this.#limits;
    const expected = this.#expected(tokens) ?? 0;
    if (this.#elapsed() + expected > milliseconds) return false;
    return (this.#tokens + tokens) * this.#bytesPerToken <= bytes;
  }

  #expected(tokens: number): number | undefined {
    const { costs, layout } = this.#kit;
    return encodingMs(costs, tokens, layout.prefix.length);
  }

  #tellEstimate(planned: readonly Wanted[]): void {
    if (!this.#onProgress) return;
    let tokens = 0;
    for (const item of planned) tokens += item.tokens.length;
    let all = 0;
    for (const chunk of this.#chunks) all += chunk.tokens.length;
    this.#onProgress({
      phase: 'estimate',
      planned: this.#estimate(planned.length, tokens),
      all: this.#estimate(this.#chunks.length, all),
    });
  }

  #estimate(chunks: number, tokens: number): KvEstimate {
    const milliseconds = this.#expected(tokens);
    return {
      chunks,
      tokens,
      bytes: tokens * this.#bytesPerToken,
      ...(milliseconds !== undefined && { milliseconds }),
    };
  }

  #tellProgress(): void {
    const milliseconds = this.#elapsed();
    const bytes = this.#tokens * this.#bytesPerToken;
    this.#onProgress?.({
      phase: 'encode',
      chunks: this.#encoded,
      tokens: this.#tokens,
      bytes,
      milliseconds,
      share: Math.min(
        1,
        Math.max(milliseconds / this.#limits.milliseconds, bytes / this.#limits.bytes),
      ),
    });
  }

  #elapsed(): number {
    return performance.now() - this.#start;
  }
}
