import { InvalidArgumentError } from '../../errors.js';
import { memoryLog, type ResultLog } from '../result-log.js';
import { canonical, type ExperimentProgress, type Json, runExperiment } from '../run-experiment.js';
import { type Grid, settingsOf, type SettingOf } from './grid.js';
import { measured, type Metrics } from './metric.js';
import { type ExperimentOutcome, outcomeOf } from './outcome.js';

/** What one cell is run with. */
export interface CellInput<Setting, Item, Prepared> {
  readonly setting: Setting;
  readonly item: Item;
  /** For whatever is drawn at random. */
  readonly seed: number;
  /** What `prepare` made of the setting. */
  readonly prepared: Prepared;
  /** Aborted when the experiment is. */
  readonly signal: AbortSignal;
}

export interface ExperimentDefinition<
  G extends Grid,
  Item,
  Output,
  Name extends string,
  Prepared = undefined,
> {
  /** Names it in logs and reports. */
  readonly name: string;
  /** Axes and their values; every combination is a setting. */
  readonly grid: G;
  /** Which combinations to run; default all. */
  readonly where?: (setting: SettingOf<G>) => boolean;
  /** What every setting is run on: a list, or what fetches it. */
  readonly data:
    | readonly Item[]
    | ((signal: AbortSignal) => readonly Item[] | Promise<readonly Item[]>);
  /** Names an item in the log, each another; default its `id` if that is a text or a number, else its place in the list. */
  readonly idOf?: (item: Item, index: number) => string;
  /** Each item is run once with each; default `[1]`. Values of an item are averaged over them. */
  readonly seeds?: readonly number[];
  /** What else results rest on, such as the model's fingerprint: a log of something else is refused. */
  readonly about?: Json;
  /**
   * Makes what all items of a setting share, when the first of them is run; kept until the end, where `release` gets it.
   * If it fails, so do all cells of the setting.
   */
  readonly prepare?: (setting: SettingOf<G>, signal: AbortSignal) => Prepared | Promise<Prepared>;
  readonly release?: (prepared: Prepared) => void | Promise<void>;
  /** Runs one item with one setting. What it throws is the failure of this cell alone. */
  readonly run: (input: CellInput<SettingOf<G>, Item, Prepared>) => Output | Promise<Output>;
  /** What is measured of what `run` gives, by name. */
  readonly metrics: Metrics<NoInfer<Output>, NoInfer<Item>, Name>;
  /** What else of an output is kept in the log and the outcome's cells, for example the answer's text; default nothing. */
  readonly keep?: (output: NoInfer<Output>) => Json;
}

export interface RunDefinedOptions {
  /** Where results are kept and resumed from, for example `fileLog(path)` of `chunkweave/fs`; default memory. */
  readonly log?: ResultLog;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ExperimentProgress) => void) | undefined;
  /** Items that are run at the same time; default 1. Where times are measured, leave it at that. */
  readonly concurrency?: number;
}

export interface DefinedExperiment<Setting, Name extends string> {
  readonly name: string;
  readonly settings: readonly Setting[];
  /**
   * Runs all cells that the log does not have yet; the settings of an item one after another, so that a slow spell of the
   * machine hits all of them. A cell that fails is reported in the outcome and ends nothing; it is tried again by the next
   * run with the same log. More settings, items and seeds may be added to a log; other metrics may not.
   *
   * @throws InvalidArgumentError for data without items or with an id twice, and for a log of another experiment; the
   * signal's reason, with all results so far in the log
   */
  run(options?: RunDefinedOptions): Promise<ExperimentOutcome<Setting, Name>>;
}

/** A cell as the log has it. */
interface CellResult {
  readonly [name: string]: Json | undefined;
  readonly metrics: Readonly<Record<string, number>>;
  readonly kept?: Json;
}

/**
 * An experiment: every setting of a grid on every item of some data, measured, logged and compared. `run`'s argument is
 * typed by the grid, and `outcome.summary(setting)` by the names of the metrics.
 *
 * @throws InvalidArgumentError for a grid, seeds or metrics that cannot be
 */
export function defineExperiment<
  const G extends Grid,
  Item,
  Output,
  Name extends string,
  Prepared = undefined,
>(
  definition: ExperimentDefinition<G, Item, Output, Name, Prepared>,
): DefinedExperiment<SettingOf<G>, Name> {
  const { name, grid, where, seeds = [1], metrics, about } = definition;
  const names = Object.keys(metrics) as Name[];
  if (name.trim() === '') throw new InvalidArgumentError('The experiment needs a name.');
  if (names.length === 0) throw new InvalidArgumentError(`"${name}" has no metrics.`);
  if (
    seeds.length === 0 ||
    !seeds.every(Number.isSafeInteger) ||
    new Set(seeds).size < seeds.length
  ) {
    throw new InvalidArgumentError('seeds must be whole numbers, at least one, none twice.');
  }
  const settings = settingsOf(grid, where);
  return {
    name,
    settings,
    async run({ log = memoryLog(), signal = neverAborted(), onProgress, concurrency } = {}) {
      const items = await itemsOf(definition, signal);
      const shared = new SharedParts(definition.prepare, definition.release);
      const cases = items.flatMap(({ id, item }) => seeds.map((seed) => ({ id, item, seed })));
      // Plain data as it stands in the log; by the arm's text its setting is found again.
      const byArm = new Map(settings.map((setting) => [canonical(setting as Json), setting]));
      try {
        const { cells, failed } = await runExperiment<
          (typeof cases)[number],
          undefined,
          CellResult
        >(
          {
            about: {
              experiment: name,
              metrics: [...names].sort(),
              ...(about !== undefined && { about }),
            },
            cases,
            idOf: ({ id, seed }) => caseName(id, seed),
            arms: settings as readonly Json[],
            prepare: () => Promise.resolve(undefined),
            async run(_, arm, { item, seed }) {
              const setting = byArm.get(canonical(arm)) as SettingOf<G>;
              const prepared = await shared.of(setting, canonical(arm), signal);
              const output = await definition.run({ setting, item, seed, prepared, signal });
              return {
                metrics: measured(metrics, output, item) as Record<string, number>,
                ...(definition.keep && { kept: definition.keep(output) }),
              };
            },
          },
          { log, signal, onProgress, concurrency },
        );
        const places = new Map(cases.map(({ id, seed }) => [caseName(id, seed), { id, seed }]));
        const placeOf = (of: { readonly case: string; readonly arm: Json }) => ({
          setting: byArm.get(canonical(of.arm)) as SettingOf<G>,
          item: places.get(of.case)?.id ?? of.case,
          seed: places.get(of.case)?.seed ?? 1,
        });
        return outcomeOf({
          name,
          settings,
          metrics: names.map((metric) => ({ name: metric, better: betterOf(metrics[metric]) })),
          cells: cells.map((cell) => ({
            ...placeOf(cell),
            metrics: cell.result.metrics as Partial<Record<Name, number>>,
            ...(cell.result.kept !== undefined && { kept: cell.result.kept }),
          })),
          failed: failed.map((cell) => ({ ...placeOf(cell), problem: cell.problem })),
        });
      } finally {
        await shared.release();
      }
    },
  };
}

/** For those who need not stop it: what is run may pass a signal on in any case. */
function neverAborted(): AbortSignal {
  return new AbortController().signal;
}

function caseName(id: string, seed: number): string {
  return `${id} seed ${seed}`;
}

function betterOf<Output, Item>(metric: Metrics<Output, Item, string>[string] | undefined) {
  return typeof metric === 'object' ? metric.better : 'more';
}

async function itemsOf<G extends Grid, Item, Output, Name extends string, Prepared>(
  { name, data, idOf = defaultId }: ExperimentDefinition<G, Item, Output, Name, Prepared>,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly item: Item }[]> {
  const items = typeof data === 'function' ? await data(signal) : data;
  if (items.length === 0) throw new InvalidArgumentError(`The data of "${name}" has no items.`);
  const seen = new Set<string>();
  return items.map((item, i) => {
    const id = idOf(item, i);
    if (seen.has(id)) throw new InvalidArgumentError(`Two items of "${name}" have the id "${id}".`);
    seen.add(id);
    return { id, item };
  });
}

function defaultId(item: unknown, index: number): string {
  const id: unknown =
    typeof item === 'object' && item !== null ? Reflect.get(item, 'id') : undefined;
  return typeof id === 'string' || typeof id === 'number' ? `${id}` : `${index}`;
}

/** What settings share between their cells, each made once. */
class SharedParts<Setting, Prepared> {
  readonly #prepare: ((setting: Setting, signal: AbortSignal) => unknown) | undefined;
  readonly #release: ((prepared: Prepared) => void | Promise<void>) | undefined;
  readonly #parts = new Map<string, Promise<Prepared>>();

  constructor(
    prepare: ((setting: Setting, signal: AbortSignal) => unknown) | undefined,
    release: ((prepared: Prepared) => void | Promise<void>) | undefined,
  ) {
    this.#prepare = prepare;
    this.#release = release;
  }

  of(setting: Setting, key: string, signal: AbortSignal): Promise<Prepared> {
    let part = this.#parts.get(key);
    if (!part) {
      // Without `prepare`, `Prepared` is undefined.
      part = (async () => (await this.#prepare?.(setting, signal)) as Prepared)();
      this.#parts.set(key, part);
    }
    return part;
  }

  /** Gives back all that could be made, also where giving back one of them fails. */
  async release(): Promise<void> {
    const ends = await Promise.allSettled(
      Array.from(this.#parts.values(), async (part) => {
        const made = await part.then(
          (prepared) => ({ prepared }),
          () => undefined,
        );
        if (made) await this.#release?.(made.prepared);
      }),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }
}
