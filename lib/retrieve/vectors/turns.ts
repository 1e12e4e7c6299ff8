import { deferred } from '../../deferred.js';
import { abortable } from '../../weave/abortable.js';

/** Lets pieces of work run one after another, in the order in which they were asked for. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Waits for its turn, and gives a function that ends it. @throws the signal's reason */
  async take(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    const before = this.#last;
    const own = deferred<void>();
    this.#last = before.then(() => own.promise);
    const end = (): void => own.resolve();
    try {
      await abortable(before, signal);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const end = await this.take(signal);
    try {
      return await work();
    } finally {
      end();
    }
  }
}
