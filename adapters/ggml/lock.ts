/** Runs tasks one after another, in the order in which they were handed in. */
export class Lock {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T> | T): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => {});
    return result;
  }
}

/** Runs a task while holding several locks, taken in the order given. */
export function withLocks<T>(locks: readonly Lock[], task: () => Promise<T>): Promise<T> {
  const [first, ...rest] = locks;
  return first ? first.run(() => withLocks(rest, task)) : task();
}
