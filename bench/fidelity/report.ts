import type { BootstrapOptions, Cell } from '../../lib/evaluate/index.js';
import type { ArmResult } from './lab.js';
import { areaTests, type Cost } from './report/area-tests.js';
import type { FidelityReport } from './report/fidelity-report.js';
import { resultsByArm } from './report/results.js';
import { sortReadable } from './report/sort.js';
import { summarize } from './report/summary.js';

export type { FidelityReport } from './report/fidelity-report.js';
export { frontPlot } from './report/front-plot.js';
export { printReport } from './report/print.js';

const costs: readonly Cost[] = ['share', 'time'];

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
