import type { KvSequence, RowGroup, Span } from '../../engine/arena.js';
import type { ForwardResult } from '../../engine/forward.js';
import { ComputeError } from '../../errors.js';
import type { Carry } from '../carry/carry.js';
import type { RefreshPlan } from '../policy.js';
import { entriesOf, Rows } from './rows.js';
import { narrow } from './narrow.js';
import type { RefreshReport } from './report.js';
import type { RefreshTarget } from './target.js';

export interface CarriedOut {
  /** `[vocabSize]`: of the question's last token. */
  readonly logits: Float32Array;
  readonly report: RefreshReport;
}

export interface CarryOutOptions {
  /** Layer-tokens that making the plan took. */
  readonly probed?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Computes what a plan says again, and the question: in one batch, unless the plan carries the change of some tokens to
 * others, which must happen before the question looks at them.
 * After a failure the entries that were to be computed again are stale.
 * @throws PolicyError when a narrowing or a correction cannot be carried out; what the engine throws.
 */
export async function carryOut(
  target: RefreshTarget,
  plan: RefreshPlan,
  { probed = 0, signal }: CarryOutOptions = {},
): Promise<CarriedOut> {
  const { model, sequence, question, earlier } = target;
  const entries = entriesOf(plan, target.spans);
  const ask: RowGroup[] = earlier ? [{ kind: 'append', sequence, ...earlier }] : [];
  ask.push({ kind: 'append', sequence, tokens: question });
  const refresh: RowGroup[] = entries.length > 0 ? [{ kind: 'refresh', sequence, entries }] : [];
  const tokensByLayer = new Int32Array(model.layers);
  const rows = new Rows(target, entries);
  let result: ForwardResult;
  if (plan.carry && entries.length > 0) {
    const before = await captureAll(target, plan, signal);
    await run(target, plan, rows, refresh, { tokensByLayer, signal });
    await correctAll(target, plan.carry, before, rows, signal);
    result = await run(target, { ...plan, narrowing: [] }, new Rows(target), ask, { signal });
  } else {
    result = await run(target, plan, rows, [...refresh, ...ask], { tokensByLayer, signal });
  }
  if (!result.logits) throw new ComputeError('The engine gave no logits for the question.');
  const refreshed = tokensByLayer.reduce((sum, count) => sum + count, 0);
  const asked = question.length + (earlier?.tokens.length ?? 0);
  const layerTokens = { refreshed, probed, question: asked * model.layers };
  // Of what stands earlier nobody asks what comes next.
  const logits = result.logits.values.subarray(-model.vocabSize);
  return { logits, report: { tokensByLayer, layerTokens } };
}

interface Run {
  readonly tokensByLayer?: Int32Array;
  readonly signal: AbortSignal | undefined;
}

async function run(
  { sequence }: RefreshTarget,
  plan: RefreshPlan,
  rows: Rows,
  groups: readonly RowGroup[],
  { tokensByLayer, signal }: Run,
): Promise<ForwardResult> {
  const options = signal ? { signal } : {};
  const { arena } = sequence;
  const steps = rows.count > 0 ? (plan.narrowing ?? []) : [];
  if (steps.length === 0) {
    tokensByLayer?.fill(rows.count);
    return arena.forward(groups, options);
  }
  await using pass = await arena.begin(groups, options);
  const asking = groups.findLastIndex(({ kind }) => kind === 'append');
  for (const step of steps) {
    tokensByLayer?.fill(rows.count, pass.nextLayer, step.layer);
    await narrow(plan.policy, step, pass, rows, { asking, signal });
  }
  tokensByLayer?.fill(rows.count, pass.nextLayer);
  return await pass.finish(options);
}

type Captured = ReadonlyMap<number, Awaited<ReturnType<KvSequence['capture']>>>;

/** The passages of which tokens are computed again, as they came. */
async function captureAll(
  { sequence, spans }: RefreshTarget,
  { passages }: RefreshPlan,
  signal: AbortSignal | undefined,
): Promise<Captured> {
  const captured = new Map<number, Awaited<ReturnType<KvSequence['capture']>>>();
  for (const { passage, tokens } of passages) {
    if (tokens.length === 0) continue;
    captured.set(passage, await sequence.capture(spans[passage] as Span, signal ? { signal } : {}));
  }
  return captured;
}

async function correctAll(
  { sequence, spans }: RefreshTarget,
  carry: Carry,
  captured: Captured,
  rows: Rows,
  signal: AbortSignal | undefined,
): Promise<void> {
  const options = signal ? { signal } : {};
  for (const [passage, before] of captured) {
    const span = spans[passage] as Span;
    const refreshed = rows.live[passage] ?? new Int32Array(0);
    const after = await sequence.capture(span, options);
    const correction = carry.correct({ before, after, refreshed });
    if (correction) await sequence.correct(span, correction, options);
  }
}
