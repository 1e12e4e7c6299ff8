import type { KvSequence } from '../engine/arena.js';
import { abortable } from './abortable.js';

/** A sequence that many fork from: made for the first who needs it, kept until it is disposed. */
export class SharedSequence<T extends { readonly sequence: KvSequence }> {
  readonly #make: () => Promise<T>;
  #making: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /**
   * `first` is true for the one caller for whom it was made. A caller's abort ends only its own waiting; others
   * need the sequence as well.
   */
  async use(signal?: AbortSignal): Promise<{ readonly made: T; readonly first: boolean }> {
    signal?.throwIfAborted();
    const first = this.#making === undefined;
    this.#making ??= this.#make().catch((error: unknown) => {
      // A failure is not kept: the next caller tries again.
      this.#making = undefined;
      throw error;
    });
    return { made: await abortable(this.#making, signal), first };
  }

  /** Waits for what runs, then gives the cells back. */
  async dispose(): Promise<void> {
    const made = await this.#making?.catch(() => undefined);
    made?.sequence.dispose();
  }
}
