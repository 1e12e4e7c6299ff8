import { StoreError } from '../../lib/errors.js';

/** The server did not do what it was asked to. Never leaves a store on the answer path: it becomes a miss. */
export class ServerFailure extends Error {
  readonly reason: 'late' | 'failed';

  constructor(problem: string, reason: 'late' | 'failed' = 'failed') {
    super(problem);
    this.reason = reason;
  }
}

/** What a call gives, or undefined where the server does not do it. For what may as well be left undone. */
export async function ifServed<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ServerFailure) return undefined;
    throw error;
  }
}

/** For what a caller must know to be done, such as a deletion. @throws StoreError where the server does not do it */
export async function orStoreError<T>(problem: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ServerFailure)) throw error;
    throw new StoreError(`${problem}: ${error.message}. Try again when the server answers.`, {
      cause: error,
    });
  }
}
