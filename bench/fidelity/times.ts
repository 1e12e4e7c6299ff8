import { canonical, type Cell, median, type ResultLog } from '../../lib/evaluate/index.js';
import type { ArmResult } from './lab.js';
import { loggedCells } from './logged-cells.js';
import { timeShare } from './report/results.js';

/**
 * Cells with the time to first token that the same arms took in an earlier run: each arm's median share of a full
 * prefill. Fidelity does not depend on how busy a machine is, time does. Arms that the log lacks stay out of
 * comparisons against time: they keep no time.
 */
export async function withTimesOf(
  log: ResultLog,
  cells: readonly Cell<ArmResult>[],
): Promise<Cell<ArmResult>[]> {
  const shares = new Map<string, number[]>();
  for (const cell of await loggedCells(log)) {
    const key = canonical(cell.arm);
    shares.set(key, [...(shares.get(key) ?? []), timeShare(cell.result)]);
  }
  return cells.map((cell) => {
    const known = shares.get(canonical(cell.arm));
    const share = known ? median(known) : NaN;
    return { ...cell, result: { ...cell.result, ttftMs: share * cell.result.fullMs } };
  });
}
