import { plannedTokens } from './check-plan.js';
import type { PassageView, RefreshPlan } from './policy.js';

export interface DescribePlanOptions {
  readonly passages: readonly Pick<PassageView, 'chunkId' | 'tokens'>[];
  /** Measured milliseconds that a token takes; the expected cost is left out without it. */
  readonly msPerToken?: number | undefined;
}

/** A plan as lines of text: one for the whole, one for each passage that is touched. */
export function describePlan(plan: RefreshPlan, options: DescribePlanOptions): string {
  const { passages, msPerToken } = options;
  const all = passages.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const line = (count: number, of: number): string => {
    const share = of > 0 ? ((100 * count) / of).toFixed(1) : '0.0';
    const cost = msPerToken === undefined ? '' : `, about ${(count * msPerToken).toFixed(0)} ms`;
    return `${count} of ${of} tokens (${share}%${cost})`;
  };
  const lines = [`${plan.policy} computes ${line(plannedTokens(plan), all)} again`];
  for (const { passage, tokens, reason } of plan.passages) {
    const view = passages[passage];
    if (!view) continue;
    lines.push(
      `  ${passage + 1}. ${view.chunkId}: ${line(tokens.length, view.tokens.length)}: ${reason}`,
    );
  }
  for (const { layer, reason } of plan.narrowing ?? []) {
    lines.push(`  from layer ${layer} on only some: ${reason}`);
  }
  if (plan.carry) lines.push(`  the others are corrected: ${plan.carry.reason}`);
  for (const note of plan.notes ?? []) lines.push(`  ${note}`);
  return lines.join('\n');
}
