/** The server did not do what it was asked to. Never leaves a store on the answer path: it becomes a miss. */
export class ServerFailure extends Error {
  readonly reason: 'late' | 'failed';

  constructor(problem: string, reason: 'late' | 'failed' = 'failed') {
    super(problem);
    this.reason = reason;
  }

  /** Something else than a record stands under the key. */
  get isWrongType(): boolean {
    return this.message.startsWith('WRONGTYPE');
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
