import { keyOfParts } from '../../key-of-parts.js';
import type { UnitRange } from './unit-ranges.js';

/**
 * Keeps where a model found a text to be cut, so that the same text, model, prompt and parameters are asked about once.
 * Keys are hexadecimal, values plain data, fit for JSON.
 */
export interface BoundaryCache {
  get(key: string): Promise<readonly number[] | undefined>;
  set(key: string, boundaries: readonly number[]): Promise<void>;
}

/** Keeps them in memory: a map of any lifetime. */
export function memoryBoundaryCache(
  entries: Map<string, readonly number[]> = new Map(),
): BoundaryCache {
  return {
    get: async (key) => entries.get(key),
    set: async (key, boundaries) => {
      entries.set(key, boundaries);
    },
  };
}

/** Counts up with every change of what boundaries are made from: older ones are not taken for newer ones. */
const version = 1;

/** Ranges of so many sentences under one key. */
export class KeptRanges {
  readonly #cache: BoundaryCache | undefined;
  readonly #key: string;
  readonly #size: number;

  private constructor(cache: BoundaryCache | undefined, key: string, size: number) {
    this.#cache = cache;
    this.#key = key;
    this.#size = size;
  }

  /** @param parts everything that the ranges depend on */
  static async of(
    cache: BoundaryCache | undefined,
    size: number,
    parts: readonly unknown[],
  ): Promise<KeptRanges> {
    return new KeptRanges(cache, cache ? await keyOfParts([version, size, ...parts]) : '', size);
  }

  /** What was kept; undefined where nothing was, or what cannot be. */
  async get(): Promise<UnitRange[] | undefined> {
    const kept = await this.#cache?.get(this.#key);
    if (!Array.isArray(kept) || kept.length % 2 !== 0) return undefined;
    const ranges: UnitRange[] = [];
    let last: UnitRange = { from: -1, to: 0 };
    for (let i = 0; i < kept.length; i += 2) {
      const range = { from: kept[i] as number, to: kept[i + 1] as number };
      const isWhole = Number.isSafeInteger(range.from) && Number.isSafeInteger(range.to);
      const isNext = range.from > last.from && range.from <= last.to && range.to > last.to;
      if (!isWhole || !isNext || range.to > this.#size) return undefined;
      ranges.push(range);
      last = range;
    }
    return last.to === this.#size ? ranges : undefined;
  }

  async set(ranges: readonly UnitRange[]): Promise<void> {
    await this.#cache?.set(
      this.#key,
      ranges.flatMap(({ from, to }) => [from, to]),
    );
  }
}
