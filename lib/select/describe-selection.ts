import { number } from './numbers.js';
import type { Selection } from './selector.js';

/** A selection as lines of text: the whole, then what is in, in the order of the prompt, then what is out and why. */
export function describeSelection(selection: Selection): string {
  const { chunks, decisions, value, cost, evaluations, stopped } = selection;
  const counted = `${chunks.length} of ${decisions.length} chunks for a cost of ${number(cost)}`;
  const worth = value === undefined ? '' : `, worth ${number(value)}`;
  const asked =
    evaluations === 0 ? '' : `, after ${evaluations} ${evaluations === 1 ? 'set' : 'sets'} judged`;
  const lines = [`${counted}${worth}${asked}${ends[stopped]}`];
  const byId = new Map(decisions.map((decision) => [decision.chunkId, decision]));
  for (const [i, { chunk }] of chunks.entries()) {
    const decision = byId.get(chunk.id);
    if (decision)
      lines.push(`  ${i + 1}. ${chunk.id} (${number(decision.cost)}): ${decision.reason}`);
  }
  if (chunks.length === 0 && decisions.length > 0) lines.push('  nothing is in');
  for (const { chunkId, chosen, cost: alone, reason } of decisions) {
    if (!chosen) lines.push(`  out: ${chunkId} (${number(alone)}): ${reason}`);
  }
  return lines.join('\n');
}

const ends: Readonly<Record<Selection['stopped'], string>> = {
  done: '',
  evaluations: ' (as many as were allowed)',
  deadline: ' (the deadline cut the search short)',
};
