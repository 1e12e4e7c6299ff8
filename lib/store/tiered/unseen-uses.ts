/** Records that are remembered; those that were told of longest ago are forgotten first. */
const maxRemembered = 16_384;

interface Told {
  readonly at: number;
  /** Since then. */
  uses: number;
}

/** Uses of records that a tier does not see, since faster ones have them, to be told to it now and then. */
export class UnseenUses {
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #told = new Map<string, Told>();

  constructor(everyMs: number, now: () => number = () => performance.now()) {
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** The tier knows by itself that a record is in use: it has just read or written it. */
  seen(key: string): void {
    if (this.#everyMs === Infinity) return;
    this.#told.delete(key);
    this.#told.set(key, { at: this.#now(), uses: 0 });
    const [oldest] = this.#told.keys();
    if (this.#told.size > maxRemembered && oldest !== undefined) this.#told.delete(oldest);
  }

  /** Counts a use. How many the tier is to be told of now: 0 where it was told a while ago. */
  add(key: string): number {
    if (this.#everyMs === Infinity) return 0;
    const told = this.#told.get(key);
    const uses = (told?.uses ?? 0) + 1;
    if (told && this.#now() - told.at < this.#everyMs) {
      told.uses = uses;
      return 0;
    }
    this.seen(key);
    return uses;
  }
}
