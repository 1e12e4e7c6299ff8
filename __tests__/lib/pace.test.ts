import { expect, test } from '@jest/globals';
import { part, runSteps, type Steps } from '../../lib/pace.js';

function* busy(steps: number, onEnd: () => void = () => {}): Steps<string> {
  try {
    for (let i = 0; i < steps; i++) {
      const until = performance.now() + 1;
      while (performance.now() < until);
      yield i / steps;
    }
    return 'done';
  } finally {
    onEnd();
  }
}

function* twice(): Steps<string> {
  yield* part(busy(30), 0, 0.5);
  return yield* busy(30);
}

function* failing(): Steps<void> {
  yield 0;
  throw new Error('broken');
}

test('long work lets timers run, and its progress only grows to 1', async () => {
  let beats = 0;
  const timer = setInterval(() => beats++, 1);
  const shares: number[] = [];
  expect(await runSteps(twice(), { onProgress: (share) => shares.push(share) })).toBe('done');
  clearInterval(timer);
  expect(beats).toBeGreaterThan(2);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
});

test('aborted work cleans up and rejects with the reason', async () => {
  let ended = false;
  const controller = new AbortController();
  const run = runSteps(
    busy(10_000, () => (ended = true)),
    { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) },
  );
  await expect(run).rejects.toThrow('enough');
  expect(ended).toBe(true);
});

test('work that fails rejects', async () => {
  await expect(runSteps(failing())).rejects.toThrow('broken');
});
