import type { CandidateDecision, SelectionPlan } from '../selection-plan.js';

/** A plan as lines of text: some for the whole, one for each candidate. */
export function describeSelectionPlan(plan: SelectionPlan): string {
  const { selector, valuedBy, value, unit, budget, cost, tokens, candidates } = plan;
  const chosen = candidates.filter((candidate) => candidate.chosen).length;
  const lines = [
    `${selector} chose ${chosen} of ${candidates.length} candidates: ${amount(cost)} of ${amount(budget)} ${unit}${unit === 'tokens' ? '' : `, ${tokens} tokens`}.`,
  ];
  if (valuedBy !== undefined) {
    const worth = value === undefined ? '' : `worth ${value.toFixed(3)} by `;
    lines.push(
      `${worth === '' ? 'Valued by ' : worth}${valuedBy}; ${plan.evaluations} sets looked at, ${endOf(plan.stopped)}.`,
    );
  }
  if (plan.expectedMs !== undefined) {
    lines.push(`Expected to take ${plan.expectedMs.toFixed(0)} ms to the first token.`);
  }
  for (const candidate of candidates) lines.push(`  ${lineOf(candidate)}`);
  return lines.join('\n');
}

function lineOf(candidate: CandidateDecision): string {
  const { rank, chunkId, tokens, cached, expectedMs, place, reason, chosen } = candidate;
  const where = cached ? `cached (${cached.tier})` : 'not cached';
  const time = expectedMs === undefined ? '' : `, ${expectedMs.toFixed(0)} ms`;
  const sign = chosen ? `in ${place ?? ''}`.trim() : 'out';
  return `${rank}. ${sign}: ${chunkId}: ${tokens} tokens${time}, ${where}: ${reason}`;
}

function endOf(stopped: SelectionPlan['stopped']): string {
  if (stopped === 'done') return 'the search was through';
  return stopped === 'deadline' ? 'until the deadline' : 'as many as it may';
}

function amount(value: number): string {
  return String(Math.round(value));
}
