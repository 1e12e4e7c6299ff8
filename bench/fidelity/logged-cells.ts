import { canonical, type Cell, type ResultLog } from '../../lib/evaluate/index.js';
import { InvalidArgumentError } from '../../lib/index.js';
import type { Arm } from './arms.js';
import type { ArmResult } from './lab.js';

/** Results of an earlier run of the fidelity bench, the newest of each arm on each case. */
export async function loggedCells(log: ResultLog): Promise<Cell<ArmResult>[]> {
  const cells = new Map<string, Cell<ArmResult>>();
  for await (const line of log.read()) {
    const cell = cellOf(line);
    if (cell) cells.set(JSON.stringify([cell.case, canonical(cell.arm)]), cell);
  }
  return [...cells.values()];
}

/**
 * Cells of cases that have all of these arms, under names that set them apart from those of other logs: what can be pooled
 * with them.
 * @throws InvalidArgumentError where no case has them all
 */
export async function pooledCells(
  log: ResultLog,
  arms: readonly Arm[],
  name: string,
): Promise<Cell<ArmResult>[]> {
  const wanted = new Set(arms.map((arm) => canonical({ ...arm })));
  const cells = (await loggedCells(log)).filter(({ arm }) => wanted.has(canonical(arm)));
  const counts = new Map<string, number>();
  for (const { case: id } of cells) counts.set(id, (counts.get(id) ?? 0) + 1);
  const whole = cells.filter(({ case: id }) => counts.get(id) === wanted.size);
  if (whole.length === 0) {
    throw new InvalidArgumentError(
      `--with ${name}: no question there has all arms; run them first.`,
    );
  }
  return whole.map((cell) => ({ ...cell, case: `${name}/${cell.case}` }));
}

function cellOf(line: string): Cell<ArmResult> | undefined {
  try {
    const cell = JSON.parse(line) as Cell<ArmResult>;
    return cell.result ? cell : undefined;
  } catch {
    // Its last line was cut short.
    return undefined;
  }
}
