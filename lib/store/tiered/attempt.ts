/** How a call ended that may fail without failing its caller. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: 'late' | 'failed'; readonly problem: string };

export interface Attempt<T> {
  /** Rejects with the signal's reason only. */
  readonly outcome: Promise<Outcome<T>>;
  /** Resolves when the work is really over, which may be after a deadline or an abort: what it came to. */
  readonly over: Promise<Outcome<T>>;
}

export interface AttemptOptions {
  /** Infinity for none. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Longer timers fire at once. */
const longestTimer = 2 ** 31 - 1;

/**
 * Does some work for no longer than a deadline. Then, and when the caller aborts, the work's own signal aborts;
 * whatever it comes to afterwards is known by `over` only.
 */
export function attempt<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { deadlineMs, signal }: AttemptOptions,
): Attempt<T> {
  const controller = new AbortController();
  if (signal?.aborted) {
    const over = Promise.resolve<Outcome<T>>({
      ok: false,
      reason: 'failed',
      problem: 'it was not asked',
    });
    return { outcome: Promise.reject(signal.reason as Error), over };
  }
  const over = settle(work, controller.signal);
  const outcome = new Promise<Outcome<T>>((resolve, reject) => {
    let isOpen = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const close = (): void => {
      isOpen = false;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      close();
      controller.abort(signal?.reason);
      reject(signal?.reason);
    };
    const onLate = (): void => {
      if (!isOpen) return;
      close();
      const problem = `it did not answer within ${deadlineMs} ms`;
      controller.abort(new DOMException(`A tier was given up: ${problem}.`, 'TimeoutError'));
      resolve({ ok: false, reason: 'late', problem });
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    // When this thread itself was held up, what came in meanwhile gets its turn first.
    if (deadlineMs < longestTimer) timer = setTimeout(() => afterInput(onLate), deadlineMs);
    const onOver = (result: Outcome<T>): void => {
      if (!isOpen) return;
      close();
      resolve(result);
    };
    over.then(onOver, reject);
  });
  return { outcome, over };
}

async function settle<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work(signal) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { ok: false, reason: 'failed', problem };
  }
}

function afterInput(call: () => void): void {
  if (typeof setImmediate === 'undefined') setTimeout(call, 0);
  else setImmediate(call);
}
