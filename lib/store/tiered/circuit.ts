export interface CircuitOptions {
  /** Failures and missed deadlines in a row after which a tier is left alone; default 5. */
  readonly failures?: number;
  /** Milliseconds until it is tried again; doubled each time that fails. Default 1,000. */
  readonly coolDownMs?: number;
  /** Most that the cool-down grows to; default 60,000 milliseconds. */
  readonly maxCoolDownMs?: number;
}

export interface CircuitEvents {
  onOpen(problem: string): void;
  onClosed(): void;
}

/** Leave to make one call. Exactly one of the methods is called when it is over. */
export interface Pass {
  succeeded(): void;
  failed(problem: string): void;
  /** The caller gave up: nothing was learnt. */
  left(): void;
}

/**
 * Leaves alone what keeps failing: after some failures in a row no call is let through until a cool-down is
 * over; then one is, and its success ends it.
 */
export class Circuit {
  readonly #most: number;
  readonly #coolDownMs: number;
  readonly #maxCoolDownMs: number;
  readonly #events: CircuitEvents;
  readonly #now: () => number;
  #failures = 0;
  /** While open: when the next call may be tried. */
  #opensAt: number | undefined;
  #wait: number;
  #probing = false;

  constructor(
    options: CircuitOptions,
    events: CircuitEvents,
    now: () => number = () => performance.now(),
  ) {
    const { failures = 5, coolDownMs = 1000, maxCoolDownMs = 60_000 } = options;
    this.#most = failures;
    this.#coolDownMs = coolDownMs;
    this.#maxCoolDownMs = Math.max(coolDownMs, maxCoolDownMs);
    this.#wait = coolDownMs;
    this.#events = events;
    this.#now = now;
  }

  get isOpen(): boolean {
    return this.#opensAt !== undefined;
  }

  /** Milliseconds until a call may be tried; 0 when it may be now. */
  get waitMs(): number {
    if (this.#opensAt === undefined) return 0;
    // One that is being tried decides; how long that takes nobody knows.
    if (this.#probing) return this.#wait;
    return Math.max(0, this.#opensAt - this.#now());
  }

  /** Undefined while calls are not let through. */
  enter(): Pass | undefined {
    if (this.#opensAt === undefined) return this.#pass(false);
    if (this.#probing || this.#now() < this.#opensAt) return undefined;
    this.#probing = true;
    return this.#pass(true);
  }

  #pass(isProbe: boolean): Pass {
    const end = (): void => {
      if (isProbe) this.#probing = false;
    };
    return {
      succeeded: () => {
        end();
        // What began before it opened says nothing of now.
        if (this.#opensAt !== undefined && !isProbe) return;
        this.#failures = 0;
        this.#wait = this.#coolDownMs;
        if (!isProbe) return;
        this.#opensAt = undefined;
        this.#events.onClosed();
      },
      failed: (problem) => {
        end();
        if (this.#opensAt !== undefined && !isProbe) return;
        if (isProbe) {
          this.#wait = Math.min(this.#maxCoolDownMs, 2 * this.#wait);
          this.#opensAt = this.#now() + this.#wait;
          return;
        }
        if (++this.#failures < this.#most) return;
        this.#failures = 0;
        this.#opensAt = this.#now() + this.#wait;
        this.#events.onOpen(problem);
      },
      left: end,
    };
  }
}
