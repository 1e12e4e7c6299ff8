import { ChunkweaveError } from '../../errors.js';

/** Assertions of the conformance suite, which runs under any test runner. */

export function ok(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function equal<T>(actual: T, expected: T, what: string): void {
  ok(Object.is(actual, expected), `${what}: ${String(actual)} instead of ${String(expected)}`);
}

export function sameNumbers(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
): void {
  equal(actual.length, expected.length, `${what}, length`);
  for (let i = 0; i < expected.length; i++) {
    equal(actual[i], expected[i], `${what}, number ${i}`);
  }
}

export function defined<T>(value: T | undefined, what: string): T {
  ok(value !== undefined, `${what} is missing`);
  return value;
}

/** Checks that a call fails, at once or later, with one of chunkweave's errors. */
export async function fails(
  call: () => unknown,
  code: string,
  what: string,
): Promise<ChunkweaveError> {
  const error = await caught(call);
  ok(error !== nothing, `${what}: no error, but ${code} was expected`);
  ok(
    ChunkweaveError.isInstance(error) && error.code === code,
    `${what}: ${String(error)} instead of an error with code ${code}`,
  );
  return error;
}

const nothing = Symbol('nothing');

/** Checks that a call fails with exactly this value. */
export async function failsWith(call: () => unknown, reason: unknown, what: string): Promise<void> {
  const error = await caught(call);
  ok(error === reason, `${what}: ${String(error)} instead of ${String(reason)}`);
}

async function caught(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return nothing;
  } catch (error) {
    return error;
  }
}
