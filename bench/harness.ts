import { cpus, platform, release } from 'node:os';

/** A number that an aim is set for. */
export interface Goal {
  readonly value: number;
  /** What is asked for, as a person would write it, for example `<= 1.05`. */
  readonly goal: string;
  readonly met: boolean;
}

export interface BenchOptions {
  readonly model: string | undefined;
  readonly device: 'auto' | 'cpu' | 'vulkan' | 'cuda' | 'metal';
  /** Interleaved runs of each side. */
  readonly repeat: number;
  readonly threads: number | undefined;
  /** Names of parts to run; all when empty. */
  readonly only: readonly string[];
  log(line: string): void;
}

export interface BenchOutcome {
  readonly model: string;
  readonly figures: Record<string, number>;
  readonly goals: Record<string, Goal>;
  /** What was left out and why, so that a goal that is not there never reads as met. */
  readonly skipped: string[];
}

export const emptyOutcome = (model: string): BenchOutcome => ({
  model,
  figures: {},
  goals: {},
  skipped: [],
});

/** An option that one bench has beside those of all. */
export interface OwnOption {
  readonly type: 'string' | 'boolean';
  /** What a string stands for, as usage shows it; default the option's name in capitals. */
  readonly value?: string;
  readonly default?: string;
  readonly help: string;
}

export type OwnOptions = Readonly<Record<string, OwnOption>>;

/** What the command line said: an absent string is undefined unless it has a default, an absent flag false. */
export type OwnValues<Own extends OwnOptions> = {
  readonly [name in keyof Own]: Own[name] extends { readonly type: 'boolean' }
    ? boolean
    : Own[name] extends { readonly default: string }
      ? string
      : string | undefined;
};

/** Values of declarations that are not known here. */
export type ParsedValues = Readonly<Record<string, string | boolean | undefined>>;

export interface Bench {
  readonly own: OwnOptions;
  run(options: BenchOptions, own: ParsedValues): Promise<BenchOutcome>;
}

/** A bench with options of its own, whose values `run` gets typed. */
export function benchWith<const Own extends OwnOptions>(
  own: Own,
  run: (options: BenchOptions, own: OwnValues<Own>) => Promise<BenchOutcome>,
): Bench {
  // The command line is parsed by the same declarations.
  return { own, run: (options, values) => run(options, values as OwnValues<Own>) };
}

export const bench = (run: (options: BenchOptions) => Promise<BenchOutcome>): Bench => ({
  own: {},
  run,
});

/** Whether a part is to run; one that is not is noted in the outcome. */
export function isWanted(
  part: string,
  { only }: Pick<BenchOptions, 'only'>,
  { skipped }: Pick<BenchOutcome, 'skipped'>,
): boolean {
  if (only.length === 0 || only.includes(part)) return true;
  skipped.push(`${part}: not among --only`);
  return false;
}

export const atMost = (value: number, limit: number): Goal => ({
  value: round(value),
  goal: `<= ${limit}`,
  met: value <= limit,
});

export const atLeast = (value: number, limit: number): Goal => ({
  value: round(value),
  goal: `>= ${limit}`,
  met: value >= limit,
});

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Runs the sides in turns, so that a slow spell of the machine hits all of them. */
export async function interleave(
  repeat: number,
  sides: Record<string, () => Promise<number>>,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {};
  const names = Object.keys(sides);
  for (let run = 0; run < repeat; run++) {
    // Every other round backwards: whoever runs second finds other caches.
    for (const name of run % 2 ? names.toReversed() : names) {
      (times[name] ??= []).push(await (sides[name] as () => Promise<number>)());
    }
  }
  return times;
}

/** Median of the ratios of runs that were made side by side. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, i) => value / (b[i] as number)));
}

export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return `${cpus().length} x ${model}, ${platform()} ${release()}, node ${process.versions.node}`;
}

/** Milliseconds that a call takes. */
export async function timed(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call();
  return performance.now() - start;
}
