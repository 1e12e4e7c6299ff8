import type { AreaTest } from './area-tests.js';
import type { SortReadable } from './sort.js';
import type { ArmSummary } from './summary.js';

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
