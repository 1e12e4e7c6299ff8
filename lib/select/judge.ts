import { sliceMs } from '../pace.js';
import type { CandidateSet, SelectionProblem } from './problem.js';
import type { Selection } from './selector.js';

export interface Judged {
  readonly set: CandidateSet;
  readonly value: number;
}

/**
 * Asks what sets are worth: each set once, many in a call, no more than a number of them, and nothing after the
 * deadline.
 */
export class SetJudge {
  readonly #problem: SelectionProblem;
  readonly #most: number;
  readonly #judged = new Map<string, Judged>();
  #best: Judged | undefined;
  #stopped: Selection['stopped'] = 'done';
  #sliceStart = performance.now();

  constructor(problem: SelectionProblem, most: number) {
    this.#problem = problem;
    this.#most = most;
  }

  get evaluations(): number {
    return this.#judged.size;
  }

  get left(): number {
    return this.#most - this.#judged.size;
  }

  get stopped(): Selection['stopped'] {
    return this.#stopped;
  }

  /** The most worth; of equal ones the cheapest, then the one judged first. */
  get best(): Judged | undefined {
    return this.#best;
  }

  get judged(): Iterable<Judged> {
    return this.#judged.values();
  }

  valueOf({ key }: CandidateSet): number | undefined {
    return this.#judged.get(key)?.value;
  }

  /**
   * Judges what is not judged yet, in one call. False where a limit cut it short: then it may be that only the first
   * of them were judged, or none.
   */
  async judge(sets: readonly CandidateSet[]): Promise<boolean> {
    if (this.#stopped !== 'done') return false;
    const open = new Map<string, CandidateSet>();
    for (const set of sets) if (!this.#judged.has(set.key)) open.set(set.key, set);
    const asked = [...open.values()].slice(0, this.left);
    if (this.#problem.isLate()) this.#stopped = 'deadline';
    else if (asked.length > 0) await this.#ask(asked);
    if (this.#stopped === 'done' && asked.length < open.size) this.#stopped = 'evaluations';
    return this.#stopped === 'done';
  }

  async #ask(sets: readonly CandidateSet[]): Promise<void> {
    const values = await this.#valuesInTime(sets);
    if (values === undefined) {
      this.#stopped = 'deadline';
      return;
    }
    this.#check(sets, values);
    for (const [i, set] of sets.entries()) {
      const judged = { set, value: values[i] as number };
      this.#judged.set(set.key, judged);
      if (isBetter(judged, this.#best)) this.#best = judged;
    }
    if (performance.now() - this.#sliceStart < sliceMs) return;
    // A value that never waits would keep everything else in the process waiting.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.#sliceStart = performance.now();
  }

  /** Undefined when the deadline came first, even where the value does not heed its signal. */
  async #valuesInTime(sets: readonly CandidateSet[]): Promise<readonly number[] | undefined> {
    const { request, deadline } = this.#problem;
    const { signal, question, value } = request;
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', abort);
    const late = Symbol('late');
    const wait = deadline - performance.now();
    const timer =
      wait <= longestTimer ? setTimeout(() => stop.abort(late), Math.max(0, wait)) : undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason));
    });
    // Whichever loses the race must not end the process with an unhandled rejection.
    stopped.catch(() => {});
    try {
      const asked = Promise.resolve(
        value.of(
          sets.map(({ chunks }) => chunks),
          { question, signal: stop.signal },
        ),
      );
      asked.catch(() => {});
      return await Promise.race([asked, stopped]);
    } catch (error) {
      signal?.throwIfAborted();
      if (stop.signal.reason === late) return undefined;
      throw this.#problem.fail(`the value "${value.name}" of ${sets.length} sets failed.`, error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  #check(sets: readonly CandidateSet[], values: readonly number[]): void {
    const { value } = this.#problem.request;
    if (!Array.isArray(values) || values.length !== sets.length) {
      const count = Array.isArray(values) ? `${values.length} numbers` : 'no list';
      throw this.#problem.fail(
        `the value "${value.name}" of ${sets.length} sets gave ${count}; it must give one number a set.`,
      );
    }
    const wrong = values.findIndex((number) => !Number.isFinite(number));
    if (wrong < 0) return;
    const ids = sets[wrong]?.chunks.map(({ chunk }) => chunk.id).join(', ');
    throw this.#problem.fail(`the value "${value.name}" of [${ids}] is ${values[wrong]}.`);
  }
}

/** Longer ones, setTimeout cuts to 1 ms. */
const longestTimer = 2 ** 31 - 1;

function isBetter(one: Judged, other: Judged | undefined): boolean {
  if (!other || one.value > other.value) return true;
  return one.value === other.value && one.set.cost < other.set.cost;
}
