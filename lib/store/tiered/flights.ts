import { deferred } from '../../deferred.js';

interface Flight<T> {
  readonly controller: AbortController;
  readonly result: Promise<T>;
  callers: number;
}

/**
 * Work that several callers wait for, done once: a caller's abort ends its own waiting, and the work itself is
 * aborted when nobody waits any more.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * Joins the work under way for a key, or starts it. `isCurrent` says whether it still is what the key means:
   * not after {@link forget}.
   */
  join(
    key: string,
    work: (signal: AbortSignal, isCurrent: () => boolean) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    return this.#wait(key, flight, signal);
  }

  /** Whoever comes from now on starts anew; those who wait get what they waited for. */
  forget(key: string): void {
    this.#flights.delete(key);
  }

  forgetAll(): void {
    this.#flights.clear();
  }

  abortAll(reason: unknown): void {
    const flights = [...this.#flights.values()];
    this.#flights.clear();
    for (const { controller } of flights) controller.abort(reason);
  }

  #start(
    key: string,
    work: (signal: AbortSignal, isCurrent: () => boolean) => Promise<T>,
  ): Flight<T> {
    const controller = new AbortController();
    // Later, so that the flight is known by then.
    const result = Promise.resolve().then(() =>
      work(controller.signal, () => this.#flights.get(key) === flight),
    );
    const flight: Flight<T> = { controller, result, callers: 0 };
    this.#flights.set(key, flight);
    const end = (): void => this.#leave(key, flight);
    result.then(end, end);
    return flight;
  }

  #wait(key: string, flight: Flight<T>, signal?: AbortSignal): Promise<T> {
    flight.callers++;
    if (!signal) return flight.result;
    const { promise: left, reject } = deferred<never>();
    const onAbort = (): void => {
      reject(signal.reason);
      if (--flight.callers > 0) return;
      this.#leave(key, flight);
      flight.controller.abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return Promise.race([flight.result, left]).finally(() =>
      signal.removeEventListener('abort', onAbort),
    );
  }

  #leave(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
