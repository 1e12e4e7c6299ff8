import type { RowGroup } from '../../engine/arena.js';
import type { ChangeRequest, ChangeResult, ForwardResult } from '../../engine/forward.js';
import { ComputeError } from '../../errors.js';
import { runSteps } from '../../pace.js';
import { correctionOf, windowsOf } from '../carry/windows.js';
import type { RefreshPlan } from '../policy.js';
import { narrow } from './narrow.js';
import type { RefreshReport } from './report.js';
import { entriesOf, Rows } from './rows.js';
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
 * @throws PolicyError when a narrowing cannot be carried out; what the engine throws.
 */
export async function carryOut(
  target: RefreshTarget,
  plan: RefreshPlan,
  { probed = 0, signal }: CarryOutOptions = {},
): Promise<CarriedOut> {
  const { model, sequence, question, earlier, spans } = target;
  const entries = entriesOf(plan, spans);
  const ask: RowGroup[] = earlier ? [{ kind: 'append', sequence, ...earlier }] : [];
  ask.push({ kind: 'append', sequence, tokens: question });
  const refresh: RowGroup[] = entries.length > 0 ? [{ kind: 'refresh', sequence, entries }] : [];
  const tokensByLayer = new Int32Array(model.layers);
  const rows = new Rows(target, entries);
  const { carry } = plan;
  let result: ForwardResult;
  if (carry && entries.length > 0) {
    const windows = windowsOf(carry, spans, entries);
    const change = { group: 0, spans: windows.spans };
    const { changes } = await run(target, plan, rows, refresh, { tokensByLayer, signal, change });
    for (const part of windows.entries.length > 0 ? changes : []) {
      const correction = await runSteps(correctionOf(carry, windows, part), { signal });
      await sequence.correct(windows.entries, correction, signal ? { signal } : {});
    }
    result = await sequence.arena.forward(ask, signal ? { signal } : {});
  } else {
    const groups = [...refresh, ...ask];
    ({ result } = await run(target, plan, rows, groups, { tokensByLayer, signal }));
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
  readonly tokensByLayer: Int32Array;
  readonly signal: AbortSignal | undefined;
  readonly change?: ChangeRequest;
}

interface Ran {
  readonly result: ForwardResult;
  /** One for each range of layers in which the same rows were computed. */
  readonly changes: readonly ChangeResult[];
}

async function run(
  { sequence }: RefreshTarget,
  plan: RefreshPlan,
  rows: Rows,
  groups: readonly RowGroup[],
  { tokensByLayer, signal, change }: Run,
): Promise<Ran> {
  const options = { ...(change && { change }), ...(signal && { signal }) };
  const { arena } = sequence;
  const steps = rows.count > 0 ? (plan.narrowing ?? []) : [];
  if (steps.length === 0) {
    tokensByLayer.fill(rows.count);
    const result = await arena.forward(groups, options);
    return { result, changes: result.change ? [result.change] : [] };
  }
  await using pass = await arena.begin(groups, signal ? { signal } : {});
  const asking = groups.findLastIndex(({ kind }) => kind === 'append');
  const changes: ChangeResult[] = [];
  for (const step of steps) {
    tokensByLayer.fill(rows.count, pass.nextLayer, step.layer);
    const seen = await narrow(plan.policy, step, pass, rows, { asking, signal, change });
    if (seen.change) changes.push(seen.change);
  }
  tokensByLayer.fill(rows.count, pass.nextLayer);
  const result = await pass.finish(options);
  if (result.change) changes.push(result.change);
  return { result, changes };
}
