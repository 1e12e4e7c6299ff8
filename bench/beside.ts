import type { GgmlEngine } from '../adapters/ggml/index.js';
import { createWeave, memoryStore, type Weave } from '../lib/index.js';
import {
  atMost,
  type BenchOptions,
  type BenchOutcome,
  interleave,
  median,
  medianRatio,
  round,
} from './harness.js';
import { passages, QUESTION } from './passages.js';

/** As many as a weave puts into a prompt by default. */
const PASSAGES = 8;
const LONG_QUESTION =
  'Retell every log in full, sentence by sentence: which survey ship, crew and harbour does it name?';
/** Steps of the long answer that are timed before the other question is asked. */
const HEAD_START = 8;

/**
 * The time to first token of a question while another one's answer is being given, on one weave with nothing set: not
 * its cells, not the longest answer. What is compared leaves out one step of the other answer: the one that a caller
 * finds running.
 */
export async function beside(
  engine: GgmlEngine,
  options: BenchOptions,
  { figures, goals }: BenchOutcome,
): Promise<void> {
  const weave = await createWeave({ engine, store: memoryStore({ maxBytes: 2e9 }) });
  try {
    await weave.ingest(passages(PASSAGES), { budget: { milliseconds: 600_000 } });
    await firstText(weave);
    const steps: number[] = [];
    const times = await interleave(options.repeat, {
      alone: () => firstText(weave),
      beside: async () => {
        const { first, step } = await whileAnswering(weave);
        steps.push(step);
        return first - step;
      },
    });
    figures['beside.alone.ms'] = round(median(times['alone'] as number[]));
    figures['beside.lessOneStep.ms'] = round(median(times['beside'] as number[]));
    figures['beside.step.ms'] = round(median(steps));
    const ratio = medianRatio(times['beside'] as number[], times['alone'] as number[]);
    goals['beside.ratio'] = atMost(ratio, 1.5);
    options.log(
      `beside another answer the first token takes ${ratio.toFixed(2)} times as long as alone`,
    );
  } finally {
    await weave.dispose();
  }
}

/** Milliseconds from the call to the first text; the rest of the answer is given up. */
async function firstText(weave: Weave): Promise<number> {
  const start = performance.now();
  const stream = weave.stream(QUESTION);
  let first: number | undefined;
  for await (const { type } of stream) {
    if (type !== 'delta') continue;
    first = performance.now() - start;
    break;
  }
  await stream.answer.catch(() => {});
  if (first === undefined) throw new Error('the answer is empty');
  return first;
}

async function whileAnswering(weave: Weave): Promise<{ first: number; step: number }> {
  const stream = weave.stream(LONG_QUESTION);
  const steps: number[] = [];
  let other: Promise<number> | undefined;
  let first: number | undefined;
  let last: number | undefined;
  for await (const { type } of stream) {
    if (type !== 'delta') continue;
    const now = performance.now();
    // Measured alone: later the two take turns.
    if (last !== undefined && !other) steps.push(now - last);
    last = now;
    if (steps.length === HEAD_START) {
      other ??= firstText(weave).then((time) => (first = time));
      other.catch(() => {});
    }
    if (first !== undefined) break;
  }
  const isOver = first === undefined;
  await other;
  await stream.answer.catch(() => {});
  if (isOver) throw new Error('the long answer was over before the other one began');
  return { first: first as number, step: Math.min(...steps) };
}
