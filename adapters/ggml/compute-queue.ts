/**
 * What a unit belongs to: a `step` of an answer, or a `prompt`, on whose way someone waits for the first token.
 * `other` units keep their place: none overtakes them and they overtake none.
 */
export type Turn = 'step' | 'prompt' | 'other';

/** Of the time that goes to prompts, what goes to steps at most while both wait. */
const STEP_SHARE = 1 / 2;

interface Unit {
  readonly turn: Turn;
  readonly run: () => Promise<void>;
}

/**
 * Runs native computes one at a time. A unit is one graph of bounded size, so callers that have many take turns, first
 * come first served, and a decode step never waits for more than one unit of a prefill. Putting a cached passage in
 * its place takes less than a decode step, so with turns alone a prompt of many passages would wait mostly: while a
 * prompt is on its way, steps get half of its time, and the prompt takes 1.5 times as long as alone and one unit.
 */
export class ComputeQueue {
  readonly #units: Unit[] = [];
  /** Milliseconds that steps ran beyond their share of the prompts' time; below 0 they may run so many more. */
  #owed = 0;
  #last: Turn = 'other';
  #isRunning = false;
  readonly #now: () => number;

  /** @param now tells milliseconds; default {@link performance}. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  run<T>(unit: () => Promise<T>, turn: Turn = 'other'): Promise<T> {
    const result = new Promise<T>((resolve, reject) => {
      const run = async (): Promise<void> => {
        try {
          resolve(await unit());
        } catch (error) {
          reject(error);
        }
      };
      this.#units.push({ turn, run });
    });
    if (!this.#isRunning) void this.#runAll();
    return result;
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    // As with a chain of promises, a unit never starts within the call that hands it in.
    await undefined;
    while (this.#units.length > 0) {
      let at = this.#next();
      if (this.#owed > 0 && this.#last === 'prompt' && this.#units[at]?.turn === 'step') {
        // A prompt hands in its next unit when it has heard of the last one.
        await new Promise((resolve) => setImmediate(resolve));
        at = this.#next();
      }
      const [{ turn, run }] = this.#units.splice(at, 1) as [Unit];
      const start = this.#now();
      await run();
      const spent = this.#now() - start;
      const isWaiting = this.#units.some((unit) => unit.turn === 'prompt');
      if (turn === 'prompt') this.#owed -= spent * STEP_SHARE;
      else if (turn === 'step' && isWaiting) this.#owed += spent;
      // What one prompt gave is not for the next one to pay.
      else if (turn === 'step') this.#owed = Math.max(0, this.#owed);
      this.#last = turn;
    }
    this.#isRunning = false;
  }

  /** The place of the unit whose turn it is: the first one, or a prompt's before steps that had more than their share. */
  #next(): number {
    if (this.#owed <= 0) return 0;
    const first = this.#units.findIndex(({ turn }) => turn !== 'step');
    return this.#units[first]?.turn === 'prompt' ? first : 0;
  }
}
