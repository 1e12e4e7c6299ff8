/** Runs tasks one after another, in the order in which they were handed in. */
export class Lock {
  #tail: Promise<unknown> = Promise.resolve();
  #tasks = 0;

  /** Whether a task runs or waits. */
  get busy(): boolean {
    return this.#tasks > 0;
  }

  run<T>(task: () => Promise<T> | T): Promise<T> {
    this.#tasks++;
    const result = this.#tail.then(task).finally(() => {
      this.#tasks--;
    });
    this.#tail = result.catch(() => {});
    return result;
  }
}

/** Runs a task while holding several locks, taken in the order given. */
export function withLocks<T>(locks: readonly Lock[], task: () => Promise<T>): Promise<T> {
  const [first, ...rest] = locks;
  return first ? first.run(() => withLocks(rest, task)) : task();
}
