import { attempt, type Attempt, type AttemptOptions, type Outcome } from './attempt.js';
import type { Circuit } from './circuit.js';

/** Makes calls to one tier, each within a deadline, and none while the tier is left alone. */
export class Guard {
  readonly circuit: Circuit;

  constructor(circuit: Circuit) {
    this.circuit = circuit;
  }

  /** With `always` also where the tier is left alone. */
  call<T>(
    work: (signal: AbortSignal) => Promise<T>,
    options: AttemptOptions & { readonly always?: boolean },
  ): Attempt<T> {
    const pass = this.circuit.enter();
    if (!pass && !options.always) {
      const alone: Outcome<T> = { ok: false, reason: 'failed', problem: 'it is left alone' };
      return { outcome: Promise.resolve(alone), over: Promise.resolve(alone) };
    }
    const made = attempt(work, options);
    const told = (outcome: Outcome<T>): void => {
      if (outcome.ok) pass?.succeeded();
      else pass?.failed(outcome.problem);
    };
    made.outcome.then(told, () => pass?.left());
    return made;
  }
}
