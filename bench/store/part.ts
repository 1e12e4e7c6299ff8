import type { BenchOptions, BenchOutcome } from '../harness.js';

export interface StoreBenchParts {
  /** A folder of this part's own, not there yet; removed afterwards. */
  readonly directory: string;
  readonly options: BenchOptions;
  readonly model: string;
  readonly outcome: BenchOutcome;
}

export type StoreBench = (parts: StoreBenchParts) => Promise<void>;
