import type { ShadowMeans } from './options.js';

/** The last results of checks. */
export class Recent {
  readonly #size: number;
  #results: { readonly kl: number; readonly agreement: number }[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  get isFull(): boolean {
    return this.#results.length === this.#size;
  }

  /** Absent while there are none. */
  get means(): ShadowMeans | undefined {
    const { length } = this.#results;
    if (length === 0) return undefined;
    const sum = { kl: 0, agreement: 0 };
    for (const { kl, agreement } of this.#results) {
      sum.kl += kl;
      sum.agreement += agreement;
    }
    return { results: length, kl: sum.kl / length, agreement: sum.agreement / length };
  }

  add(kl: number, agreement: number): ShadowMeans {
    this.#results = [...this.#results, { kl, agreement }].slice(-this.#size);
    return this.means as ShadowMeans;
  }

  clear(): void {
    this.#results = [];
  }
}
