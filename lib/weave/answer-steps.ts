import type { KvSequence } from '../engine/arena.js';
import { decode, type DecodeResult } from '../engine/decode.js';
import { kvBytesPerToken } from '../engine/model-info.js';
import type { PassageLayout } from '../prompt.js';
import type { LateRefresh } from '../reuse/late/late-refresh.js';
import type { RecomputePolicy, RefreshPlan } from '../reuse/policy.js';
import { hybridPolicy } from '../reuse/policies/hybrid.js';
import { type MadePlan, makePlan } from '../reuse/refresh/make-plan.js';
import type { RefreshTarget } from '../reuse/refresh/target.js';
import type { AnswerEvent, EncodingEvent, Timings, Usage } from './answer.js';
import type { CellLease } from './cell-budget.js';
import { encodingMs } from './encoding-ms.js';
import type { WeaveKit } from './kit.js';
import type { AskOptions } from './options.js';

/** What every answer is made with. */
export interface AnswerRun {
  readonly kit: WeaveKit;
  readonly options: AskOptions;
  readonly signal: AbortSignal;
  readonly emit: (event: AnswerEvent) => void;
}

/** What stands in the arena before the first token of an answer. */
export interface Begun {
  readonly sequence: KvSequence;
  readonly logits: Float32Array;
  readonly late?: LateRefresh | undefined;
}

/** Cells that an answer takes at once. */
export const answerBlock = 64;

export type Times = { -readonly [name in keyof Timings]: number };

/** Takes cells for the answer block by block, so that a long one that may come does not keep others from beginning. */
export function answerRoom(
  lease: CellLease,
  begun: number,
  signal: AbortSignal,
  times: Times,
): () => Promise<void> | undefined {
  let left = begun;
  return () => {
    if (left-- > 0) return undefined;
    left += answerBlock;
    const growing = lease.grow(answerBlock, signal);
    return growing && timeWait(growing, times);
  };
}

async function timeWait(waiting: Promise<void>, times: Times): Promise<void> {
  const start = performance.now();
  await waiting;
  times.wait += performance.now() - start;
}

/** Tells how far encoding is, with what all of it was expected to take before it began. */
export function encodingReporter(
  { engine, costs, prefix }: WeaveKit,
  emit: AnswerRun['emit'],
): (done: number, total: number) => void {
  let expected: Pick<EncodingEvent, 'bytes' | 'milliseconds'> | undefined;
  return (done, total) => {
    const milliseconds = encodingMs(costs, total, prefix.length);
    expected ??= {
      bytes: total * kvBytesPerToken(engine.model.kv),
      ...(milliseconds !== undefined && { milliseconds }),
    };
    emit({ type: 'encoding', done, total, ...expected });
  };
}

export const nothingPlanned: RefreshPlan = { policy: 'none', passages: [] };

const exactPolicy: RecomputePolicy = {
  name: 'none',
  plan: () => ({
    policy: 'none',
    passages: [],
    notes: ['In the layout "set" passages do not see each other, so nothing is computed again.'],
  }),
};

export async function planFor(
  { kit, options, signal, emit }: AnswerRun,
  layout: PassageLayout,
  target: RefreshTarget,
  times: Times,
): Promise<MadePlan> {
  // In a set every passage is exact, and computing its tokens again would let them see the other passages.
  const policy: RecomputePolicy =
    layout === 'set' ? exactPolicy : (options.policy ?? hybridPolicy());
  const made = await makePlan(policy, target, signal);
  times.probe += made.probeMs;
  kit.refreshShares.observe(made.plan, target.passages);
  emit({ type: 'planned', plan: made.plan });
  return made;
}

export interface Generating {
  readonly maxTokens: number;
  readonly reserve: () => Promise<void> | undefined;
  readonly onFirstToken: () => void;
  readonly onLogits?: (logits: Float32Array) => void;
}

/** Decodes, handing out text as it becomes certain. */
export async function generate(
  { kit, options, signal, emit }: AnswerRun,
  { sequence, logits, late }: Begun,
  { maxTokens, reserve, onFirstToken, onLogits }: Generating,
): Promise<DecodeResult> {
  const { stop, sampling } = options;
  const steps = decode({
    engine: kit.engine,
    sequence,
    logits,
    maxTokens,
    reserve,
    ...(stop && { stop }),
    ...(sampling && { sampling }),
    ...(onLogits && { onLogits }),
    signal,
  });
  try {
    for (let generated = 1; ; generated++) {
      const step = await steps.next();
      if (step.done) return step.value;
      if (generated === 1) onFirstToken();
      if (step.value.text !== '') emit({ type: 'delta', text: step.value.text });
      if (kit.engine.tokenizer.isEndOfGeneration(step.value.token)) continue;
      await late?.after(generated, maxTokens - generated, signal);
    }
  } finally {
    await steps.return(undefined as never);
  }
}

/** What is computed again while the answer is written was reused before. */
export function withLate(
  usage: Omit<Usage, 'generated'>,
  { recomputed }: { readonly recomputed: number } = { recomputed: 0 },
): Omit<Usage, 'generated'> {
  return {
    ...usage,
    cached: usage.cached - recomputed,
    recomputed: usage.recomputed + recomputed,
  };
}

export function lateNote({ tokens }: LateRefresh): string {
  return `${tokens} tokens of passages were computed again while the answer was written.`;
}

export function noTimes(): Times {
  return {
    retrieve: 0,
    wait: 0,
    load: 0,
    encode: 0,
    probe: 0,
    refresh: 0,
    late: 0,
    firstToken: 0,
    total: 0,
  };
}
