/**
 * Long work on one thread, cut into steps. The work is a generator: each `yield` says which share of it is
 * done and is a place where it may pause, so the event loop, the abort signal and progress get their turn.
 */
export type Steps<T> = Generator<number, T, void>;

export interface PaceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Share of the work that is done, in [0, 1]; ends with 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** Milliseconds of work between two pauses: low enough that a server's other requests don't notice. */
export const sliceMs = 6;

/**
 * Runs `steps` to the end, pausing every few milliseconds. Rejects with the signal's reason when aborted;
 * the generator's `finally` blocks run then.
 */
export async function runSteps<T>(steps: Steps<T>, options: PaceOptions = {}): Promise<T> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  let sliceStart = performance.now();
  let done = 0;
  try {
    for (;;) {
      const step = steps.next();
      if (step.done) {
        onProgress?.(1);
        return step.value;
      }
      if (performance.now() - sliceStart < sliceMs) continue;
      // Work that looks at a place twice must not seem to go back.
      done = Math.max(done, step.value);
      onProgress?.(done);
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
      sliceStart = performance.now();
    }
  } finally {
    steps.return(undefined as T);
  }
}

/** `steps` as the part [from, to] of a longer work. */
export function* part<T>(steps: Steps<T>, from: number, to: number): Steps<T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    yield from + step.value * (to - from);
  }
}

/** Runs `steps` to the end at one go, where nothing else waits for the thread. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/**
 * For work that waits for others in between: returns a function to be called, and awaited, every now and then. It
 * pauses when {@link sliceMs} have passed since the last pause.
 * @throws the signal's reason
 */
export function pacer(signal?: AbortSignal): () => Promise<void> {
  let sliceStart = performance.now();
  return async () => {
    signal?.throwIfAborted();
    if (performance.now() - sliceStart < sliceMs) return;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    sliceStart = performance.now();
  };
}
