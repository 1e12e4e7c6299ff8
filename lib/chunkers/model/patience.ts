/** So many failures one after another, and a model is asked no more. */
const most = 2;

/**
 * Counts, for one document, calls of a model that failed one after another: a single failure costs its part of the document,
 * and a model that is down is not asked, and waited for, ten thousand times.
 */
export class Patience {
  #failures = 0;
  #cause: unknown;

  get isOver(): boolean {
    return this.#failures >= most;
  }

  /** Of the last failure. */
  get cause(): unknown {
    return this.#cause;
  }

  answered(): void {
    this.#failures = 0;
  }

  failed(cause: unknown): void {
    this.#failures++;
    this.#cause = cause;
  }
}
