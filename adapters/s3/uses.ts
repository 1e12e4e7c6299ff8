/** Uses that are remembered: a bucket cannot count them. */
const maxRemembered = 10_000;

export interface Use {
  readonly hits: number;
  /** Milliseconds since the epoch. */
  readonly lastUsed: number;
}

/** How often this process used records; the ones used longest ago are forgotten. */
export class Uses {
  readonly #uses = new Map<string, Use>();

  note(key: string): void {
    const hits = (this.#uses.get(key)?.hits ?? 0) + 1;
    this.#uses.delete(key);
    this.#uses.set(key, { hits, lastUsed: Date.now() });
    const [oldest] = this.#uses.keys();
    if (this.#uses.size > maxRemembered && oldest !== undefined) this.#uses.delete(oldest);
  }

  of(key: string): Use | undefined {
    return this.#uses.get(key);
  }

  /** Another record stands under the key, or none. */
  forget(key: string): void {
    this.#uses.delete(key);
  }
}
