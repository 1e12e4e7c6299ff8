import type { BootstrapOptions, Cell } from '../../lib/evaluate/index.js';
import type { ArmResult } from './lab.js';
import { type AreaTest, areaTests, type Cost } from './report/area-tests.js';
import { resultsByArm } from './report/results.js';
import { type SortReadable, sortReadable } from './report/sort.js';
import { type ArmSummary, summarize } from './report/summary.js';

export { frontPlot } from './report/front-plot.js';
export { printReport } from './report/print.js';

const costs: readonly Cost[] = ['share', 'time'];

/** What the fidelity bench found: plain data. */
export interface FidelityReport {
  /** Over all cases. */
  readonly all: readonly ArmSummary[];
  /** Over prompts that hold a passage's predecessor, and over the others; present where there are both. */
  readonly near?: readonly ArmSummary[];
  readonly apart?: readonly ArmSummary[];
  readonly tests: readonly AreaTest[];
  /** Whether the order of passages can be read at all, where it was asked for. */
  readonly sort?: SortReadable;
}

export interface FidelityReportOptions {
  /** The policy that others are compared with; default: none is. */
  readonly against?: string;
  readonly bootstrap?: BootstrapOptions;
}

/**
 * @throws InvalidArgumentError for cells of another bench, or when nothing is known of the policy that others are to be
 * compared with
 */
export function fidelityReport(
  cells: readonly Cell<ArmResult>[],
  { against, bootstrap }: FidelityReportOptions = {},
): FidelityReport {
  const summaries = (some: readonly Cell<ArmResult>[]) => {
    const results = resultsByArm(some);
    const baseline = results.find(({ arm }) => arm.policy === 'none' && arm.warmup === 'prefix');
    return results.map((one) => summarize(one, baseline, bootstrap));
  };
  const near = cells.filter(({ result }) => result.near);
  const apart = cells.filter(({ result }) => !result.near);
  const sort = sortReadable(resultsByArm(cells));
  return {
    all: summaries(cells),
    ...(near.length > 0 && apart.length > 0 && { near: summaries(near), apart: summaries(apart) }),
    tests:
      against === undefined
        ? []
        : costs.flatMap((cost) => areaTests(resultsByArm(cells), against, cost, bootstrap)),
    ...(sort && { sort }),
  };
}
