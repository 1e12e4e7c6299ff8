import { InvalidArgumentError } from '../errors.js';
import type { ResultLog } from './result-log.js';

/** Plain data: it is what arms and results are known by. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

export interface Experiment<Case, Prepared, Result extends Json> {
  /** What all of it rests on, for example hashes of data and model: a log of something else is refused. */
  readonly about: { readonly [name: string]: Json | undefined };
  readonly cases: readonly Case[];
  readonly idOf: (item: Case) => string;
  /** Settings to compare, each different from the others. */
  readonly arms: readonly Json[];
  /** What the arms of a case share, made when the first of them is run. */
  readonly prepare: (item: Case, signal: AbortSignal | undefined) => Promise<Prepared>;
  readonly run: (
    prepared: Prepared,
    arm: Json,
    item: Case,
    signal: AbortSignal | undefined,
  ) => Promise<Result>;
  /** Called when all arms of a case are through, also after failures. */
  readonly release?: (prepared: Prepared) => Promise<void>;
}

/** Where results are kept, and who hears of them. */
export interface RunExperimentOptions {
  readonly log: ResultLog;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ExperimentProgress) => void) | undefined;
  /** Cases that are run at the same time; default 1. Where times are measured, leave it at that. */
  readonly concurrency?: number | undefined;
}

export interface ExperimentProgress {
  readonly done: number;
  readonly total: number;
  /** Of those that were taken from the log. */
  readonly resumed: number;
  readonly failed: number;
  /** Milliseconds that the rest is expected to take; absent before the first result. */
  readonly leftMs?: number;
}

/** The result of one arm on one case. */
export interface Cell<Result> {
  readonly case: string;
  readonly arm: Json;
  readonly result: Result;
}

/** An arm that failed on a case, and with what message. */
export interface FailedCell {
  readonly case: string;
  readonly arm: Json;
  readonly problem: string;
}

/** Every cell that was run, now or before, and those that failed. */
export interface ExperimentResults<Result> {
  readonly cells: readonly Cell<Result>[];
  readonly failed: readonly FailedCell[];
}

interface Line {
  readonly case: string;
  readonly arm: Json;
  readonly result?: Json;
  readonly problem?: string;
}

/**
 * Runs every arm on every case, the arms of a case one after another, so that a slow spell of the machine hits all of
 * them; results are logged as they come. Those that are in the log are not run again, failed ones are. A failure of one
 * cell is told and leaves the others alone. Results are in the order of cases, then arms, whatever order they came in.
 *
 * @throws InvalidArgumentError for cases or arms that are there twice, or a log of something else; the signal's reason,
 * with all results so far in the log.
 */
export async function runExperiment<Case, Prepared, Result extends Json>(
  experiment: Experiment<Case, Prepared, Result>,
  { log, signal, onProgress, concurrency = 1 }: RunExperimentOptions,
): Promise<ExperimentResults<Result>> {
  const { cases, arms, idOf } = experiment;
  if (!(Number.isSafeInteger(concurrency) && concurrency > 0)) {
    throw new InvalidArgumentError(`concurrency is ${concurrency}; give a whole number from 1.`);
  }
  const ids = distinct('case', cases.map(idOf));
  const keys = distinct('arm', arms.map(canonical));
  const known = await readLog<Result>(log, experiment.about);
  const append = oneByOne(log);
  const found = cases.map(() => ({ cells: [] as Cell<Result>[], failed: [] as FailedCell[] }));
  const total = ids.length * keys.length;
  const counts = { done: 0, resumed: 0, failed: 0, fresh: 0 };
  const start = performance.now();
  const tell = (): void => {
    const { done, resumed, failed, fresh } = counts;
    const each = fresh > 0 ? (performance.now() - start) / fresh : undefined;
    onProgress?.({
      done,
      total,
      resumed,
      failed,
      ...(each !== undefined && { leftMs: each * (total - done) }),
    });
  };
  const runCase = async (i: number): Promise<void> => {
    const item = cases[i] as Case;
    const id = ids[i] as string;
    const { cells, failed } = found[i] as (typeof found)[number];
    let prepared: { readonly value: Prepared } | undefined;
    try {
      for (const [j, arm] of arms.entries()) {
        signal?.throwIfAborted();
        const before = known.get(cellKey(id, keys[j] as string));
        if (before) {
          cells.push({ case: id, arm, result: before.result });
          counts.resumed++;
          counts.done++;
          tell();
          continue;
        }
        try {
          prepared ??= { value: await experiment.prepare(item, signal) };
          const result = await experiment.run(prepared.value, arm, item, signal);
          await append(lineOf({ case: id, arm, result }));
          cells.push({ case: id, arm, result });
        } catch (error) {
          signal?.throwIfAborted();
          const problem = String(error);
          await append(lineOf({ case: id, arm, problem }));
          failed.push({ case: id, arm, problem });
          counts.failed++;
        }
        counts.fresh++;
        counts.done++;
        tell();
      }
    } finally {
      if (prepared) await experiment.release?.(prepared.value);
    }
  };
  await eachOf(cases.length, concurrency, runCase);
  return {
    cells: found.flatMap(({ cells }) => cells),
    failed: found.flatMap(({ failed }) => failed),
  };
}

/** Runs tasks, so many at a time. After a failure none is begun, and it is thrown once those that run have ended. */
async function eachOf(
  count: number,
  atOnce: number,
  task: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      try {
        await task(next++);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(atOnce, count) }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** Appends that wait for each other: lines never mix. */
function oneByOne(log: ResultLog): (line: string) => Promise<void> {
  let last = Promise.resolve();
  return (line) => {
    last = last.catch(() => {}).then(() => log.append(line));
    return last;
  };
}

/** JSON with names in order: equal data give equal texts. @throws InvalidArgumentError for what JSON cannot say */
export function canonical(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new InvalidArgumentError(`${value} cannot be written as JSON.`);
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map((item) => canonical(item)).join()}]`;
  const parts = Object.entries(value)
    .filter((entry): entry is [string, Json] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`);
  return `{${parts.join()}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** The results that a log holds. @throws InvalidArgumentError where it is of another experiment */
async function readLog<Result>(
  log: ResultLog,
  about: { readonly [name: string]: Json | undefined },
): Promise<Map<string, { readonly result: Result }>> {
  const known = new Map<string, { readonly result: Result }>();
  const expected = canonical(about);
  let isFirst = true;
  for await (const text of log.read()) {
    if (text.trim() === '') continue;
    const line = parsed(text);
    if (isFirst) {
      isFirst = false;
      const found = line && 'about' in line ? canonical(line['about'] as Json) : 'something else';
      if (found === expected) continue;
      throw new InvalidArgumentError(
        `This log is about ${found}, not about ${expected}. Give another log, or remove this one.`,
      );
    }
    // A line that was cut short when its process ended.
    if (!line) continue;
    const { case: id, arm, result } = line as unknown as Line;
    if (result !== undefined) {
      known.set(cellKey(id, canonical(arm)), { result: result as Result });
    }
  }
  if (isFirst) await log.append(JSON.stringify({ about: JSON.parse(expected) as Json }));
  return known;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function lineOf(line: Line): string {
  return JSON.stringify(line);
}

function cellKey(id: string, arm: string): string {
  return JSON.stringify([id, arm]);
}

function distinct(what: string, keys: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) throw new InvalidArgumentError(`The ${what} ${key} is there twice.`);
    seen.add(key);
  }
  return keys;
}
