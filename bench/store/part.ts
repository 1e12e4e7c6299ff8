import type { BenchOptions, BenchOutcome } from '../harness.js';

export interface StoreBenchParts {
  /** A folder of this part's own, not there yet; removed afterwards. */
  readonly directory: string;
  readonly options: BenchOptions;
  readonly model: string;
  readonly outcome: BenchOutcome;
  /** Reports what this part leaves out, with the reason: `cold reads: page caches cannot be dropped`. */
  skip(what: string): void;
}

export type StoreBench = (parts: StoreBenchParts) => Promise<void>;
