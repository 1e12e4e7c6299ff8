import type { GenerateRequest, GenerateResult, LanguageModel } from '../../language-model.js';
import { InvalidArgumentError, SamplingError } from '../../errors.js';

/** How a model is asked. */
export interface ModelCallOptions {
  /** Calls of one question while they fail; default 2. */
  readonly attempts?: number;
  /** Milliseconds that a call may take; default 60,000. */
  readonly timeoutMs?: number;
}

/**
 * Asks a model, again where the call fails, and no longer than it may take, whether or not it listens to its signal.
 * @throws the last failure, or the signal's reason
 */
export async function ask(
  model: LanguageModel,
  request: Omit<GenerateRequest, 'signal'>,
  { attempts = 2, timeoutMs = 60_000 }: ModelCallOptions,
  signal: AbortSignal | undefined,
): Promise<GenerateResult> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await within(timeoutMs, signal, (both) =>
        model.generate({ ...request, signal: both }),
      );
    } catch (error) {
      signal?.throwIfAborted();
      // What is wrong with the request stays wrong.
      const isLasting = error instanceof InvalidArgumentError || error instanceof SamplingError;
      if (attempt >= attempts || isLasting) throw error;
    }
  }
}

/** As {@link ask}; a model that refuses the request's grammar is asked without it. */
export async function askWithGrammar(
  model: LanguageModel,
  request: Omit<GenerateRequest, 'signal'>,
  options: ModelCallOptions,
  signal: AbortSignal | undefined,
): Promise<GenerateResult> {
  try {
    return await ask(model, request, options, signal);
  } catch (error) {
    if (request.grammar === undefined || !(error instanceof SamplingError)) throw error;
    const { grammar: _, ...plain } = request;
    return ask(model, plain, options, signal);
  }
}

async function within<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const timer = setTimeout(
    () => stop.abort(new Error(`The model did not answer within ${timeoutMs} ms.`)),
    timeoutMs,
  );
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    return await new Promise<T>((resolve, reject) => {
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error));
      work(stop.signal).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** @throws InvalidArgumentError */
export function checkAsk(
  name: string,
  { attempts = 2, timeoutMs = 60_000 }: ModelCallOptions,
): void {
  for (const [option, value] of Object.entries({ attempts, timeoutMs })) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new InvalidArgumentError(
      `${name}: ${option} is ${value}; give a whole number of at least 1.`,
    );
  }
}
