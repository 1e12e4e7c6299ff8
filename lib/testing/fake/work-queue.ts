/** Runs tasks one after another, in the order in which they were handed in. */
export class WorkQueue {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Resolves when everything handed in so far is done. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}

/** Lets timers and other tasks run, as a compute on another thread would. */
export function pause(milliseconds = 0): Promise<void> {
  return new Promise((resolve) => {
    if (milliseconds > 0 || typeof setImmediate === 'undefined') setTimeout(resolve, milliseconds);
    else setImmediate(resolve);
  });
}
