import type { BenchOptions, BenchOutcome } from '../harness.js';

export interface SelectionBenchParts {
  readonly options: BenchOptions;
  /** Path of a file of `[{ ctxs: [{ title, text }], question, answers }]`. */
  readonly data: string;
  /** Where the tree of one search goes as SVG; not drawn without it. */
  readonly tree: string | undefined;
  readonly outcome: BenchOutcome;
  /** Reports what this part leaves out, with the reason. */
  skip(what: string): void;
}

export type SelectionBench = (parts: SelectionBenchParts) => Promise<void>;
