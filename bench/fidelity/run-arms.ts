import { fileLog } from '../../adapters/fs/index.js';
import {
  type ExperimentResults,
  type Json,
  memoryLog,
  runExperiment,
} from '../../lib/evaluate/index.js';
import type { BenchOptions, BenchOutcome } from '../harness.js';
import type { FidelityCase } from './prompts.js';
import type { FidelitySetUp } from './set-up.js';

export interface ArmsRun<Prepared, Result extends Json> {
  /** What the results rest on beside the bench, the model, the data and the threads. */
  readonly about: { readonly bench: string; readonly [name: string]: Json | undefined };
  readonly arms: readonly Json[];
  readonly prepare: (item: FidelityCase) => Promise<Prepared>;
  readonly run: (prepared: Prepared, arm: Json, item: FidelityCase) => Promise<Result>;
  readonly release?: (prepared: Prepared) => Promise<void>;
  /** File that results are kept in and taken up from; default none. */
  readonly log: string | undefined;
}

/** Runs arms on the prompts of a set of data, tells how far it is, and notes what failed. */
export async function runArms<Prepared, Result extends Json>(
  { engine, cases, prompts, idOf, data, threads }: FidelitySetUp,
  { about, arms, prepare, run, release, log: path }: ArmsRun<Prepared, Result>,
  { log }: Pick<BenchOptions, 'log'>,
  { skipped }: Pick<BenchOutcome, 'skipped'>,
): Promise<ExperimentResults<Result>['cells']> {
  log(`${data}: ${cases.length} prompts (${prompts}), ${arms.length} arms`);
  const { cells, failed } = await runExperiment<FidelityCase, Prepared, Result>(
    {
      about: { ...about, model: engine.model.fingerprint, data, threads },
      cases,
      idOf,
      arms,
      prepare,
      run,
      ...(release && { release }),
    },
    {
      log: path === undefined ? memoryLog() : fileLog(path),
      onProgress: ({ done, total, leftMs }) => {
        if (done % arms.length > 0) return;
        const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 60_000)} min left`;
        log(`${done} of ${total}${left}`);
      },
    },
  );
  for (const { case: id, arm, problem } of failed) {
    skipped.push(`${data}, case ${id}, ${JSON.stringify(arm)}: ${problem}`);
  }
  return cells;
}
