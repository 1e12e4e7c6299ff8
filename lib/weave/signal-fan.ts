/**
 * Signals for calls that run side by side, each aborted when one signal is. That one gets a single listener, however many
 * calls there are: Node warns of a leak where a signal has more than ten.
 */
export class SignalFan {
  readonly #parent: AbortSignal | undefined;
  readonly #children = new Set<AbortController>();

  constructor(parent?: AbortSignal) {
    this.#parent = parent;
    parent?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Undefined where there is nothing to be aborted by. */
  child(): AbortSignal | undefined {
    const parent = this.#parent;
    if (!parent) return undefined;
    const controller = new AbortController();
    if (parent.aborted) controller.abort(parent.reason);
    else this.#children.add(controller);
    return controller.signal;
  }

  /** Call when the work is over: children that were given out are aborted no more. */
  close(): void {
    this.#parent?.removeEventListener('abort', this.#onAbort);
    this.#children.clear();
  }

  readonly #onAbort = (): void => {
    for (const child of this.#children) child.abort(this.#parent?.reason);
    this.#children.clear();
  };
}
