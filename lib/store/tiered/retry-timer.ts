/** Tries again after a pause that grows while it fails, without keeping the process alive. */
export class RetryTimer {
  readonly #leastMs: number;
  readonly #mostMs: number;
  readonly #again: () => void;
  #waitMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(leastMs: number, mostMs: number, again: () => void) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
    this.#again = again;
    this.#waitMs = leastMs;
  }

  failed(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#again();
    }, this.#waitMs);
    this.#timer.unref?.();
    this.#waitMs = Math.min(this.#mostMs, 2 * this.#waitMs);
  }

  succeeded(): void {
    this.#waitMs = this.#leastMs;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
