/**
 * Runs native computes one at a time, first come first served. A unit is one graph of bounded size, so
 * callers that have many take turns, and a decode step never waits for more than one unit of a prefill.
 */
export class ComputeQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(unit: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(unit);
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Resolves when everything queued so far is done. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}
