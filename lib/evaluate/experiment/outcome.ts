import { InvalidArgumentError } from '../../errors.js';
import { canonical, type Json } from '../run-experiment.js';
import { bootstrapMean, type Interval } from '../statistics/bootstrap.js';
import { holm, pairedTest } from '../statistics/paired-test.js';
import { mean } from '../statistics/summary.js';
import { settingLabel } from './grid.js';

/** What one setting gave on one item with one seed. */
export interface ExperimentCell<Setting, Name extends string> {
  readonly setting: Setting;
  readonly item: string;
  readonly seed: number;
  readonly metrics: Readonly<Partial<Record<Name, number>>>;
  /** What the experiment's `keep` gave. */
  readonly kept?: Json;
}

/** One setting that failed on one item with one seed; the others went on. */
export interface FailedExperimentCell<Setting> {
  readonly setting: Setting;
  readonly item: string;
  readonly seed: number;
  readonly problem: string;
}

/** One setting over all items. */
export interface SettingSummary<Setting, Name extends string> {
  readonly setting: Setting;
  /** `size=100, topK=4`. */
  readonly label: string;
  /** Cells that gave a result, and those that failed. */
  readonly cells: number;
  readonly failed: number;
  /**
   * Mean over items, each averaged over its seeds, with the 95% interval of a bootstrap over items; absent where no
   * cell has a value.
   */
  readonly means: Readonly<Partial<Record<Name, Interval>>>;
}

/** Two settings on the items that both have a value of. */
export interface SettingComparison<Setting, Name extends string> {
  readonly setting: Setting;
  readonly baseline: Setting;
  readonly metric: Name;
  /** Items that both settings have a value of. */
  readonly items: number;
  /** Mean of setting minus baseline, with its 95% interval of a bootstrap over items. */
  readonly difference: Interval;
  /** Of the sign-flip permutation test, adjusted (Holm) for as many settings as are compared with the baseline. */
  readonly p: number;
  /** `better` or `worse` where p is under 0.05, by which way the metric counts. */
  readonly verdict: 'better' | 'worse' | 'open';
}

export interface ExperimentOutcome<Setting, Name extends string> {
  readonly name: string;
  readonly settings: readonly Setting[];
  readonly metrics: readonly { readonly name: Name; readonly better: 'more' | 'less' }[];
  /** In the order of items, seeds, settings. */
  readonly cells: readonly ExperimentCell<Setting, Name>[];
  readonly failed: readonly FailedExperimentCell<Setting>[];
  /** One a setting, in the order of the grid. */
  readonly summaries: readonly SettingSummary<Setting, Name>[];
  /** @throws InvalidArgumentError for a setting that is none of the experiment's */
  summary(setting: Setting): SettingSummary<Setting, Name>;
  /**
   * Every other setting against one, item by item. Left out are settings that share no item with it.
   *
   * @param baseline default the first setting
   * @throws InvalidArgumentError for a setting or metric that is none of the experiment's
   */
  compare(metric: Name, baseline?: Setting): readonly SettingComparison<Setting, Name>[];
}

/** Under this p a difference is called one. */
const level = 0.05;

export function outcomeOf<Setting extends object, Name extends string>(
  parts: Pick<
    ExperimentOutcome<Setting, Name>,
    'name' | 'settings' | 'metrics' | 'cells' | 'failed'
  >,
): ExperimentOutcome<Setting, Name> {
  const { name, settings, metrics, cells, failed } = parts;
  const values = new ItemValues(cells);
  const counts = { cells: countsOf(cells), failed: countsOf(failed) };
  const summaries = settings.map((setting) => {
    const key = keyOf(setting);
    const means: Partial<Record<Name, Interval>> = {};
    for (const { name: metric } of metrics) {
      const list = [...values.of(setting, metric).values()];
      if (list.length > 0) means[metric] = bootstrapMean(list);
    }
    return {
      setting,
      label: settingLabel(setting as Readonly<Record<string, string>>),
      cells: counts.cells.get(key) ?? 0,
      failed: counts.failed.get(key) ?? 0,
      means,
    };
  });
  const summary = (setting: Setting): SettingSummary<Setting, Name> => {
    const key = keyOf(setting);
    const found = summaries.find((one) => keyOf(one.setting) === key);
    if (found) return found;
    throw new InvalidArgumentError(`"${name}" has no setting ${key}.`);
  };
  return {
    ...parts,
    summaries,
    summary,
    compare(metric, baseline = settings[0] as Setting) {
      const better = metrics.find((one) => one.name === metric)?.better;
      if (better === undefined) {
        const names = metrics.map((one) => one.name).join(', ');
        throw new InvalidArgumentError(`"${name}" has no metric "${metric}", only ${names}.`);
      }
      const base = summary(baseline).setting;
      const baseValues = values.of(base, metric);
      const pairs = settings
        .filter((setting) => setting !== base)
        .map((setting) => {
          const own = values.of(setting, metric);
          const items = [...own.keys()].filter((item) => baseValues.has(item));
          const [a, b] = [own, baseValues].map((of) => items.map((item) => of.get(item) as number));
          return { setting, a: a ?? [], b: b ?? [] };
        })
        .filter(({ a }) => a.length > 0);
      const tests = pairs.map(({ a, b }) => pairedTest(a, b));
      const adjusted = holm(tests.map(({ p }) => p));
      return pairs.map(({ setting, a, b }, i) => {
        const difference = bootstrapMean(a.map((value, j) => value - (b[j] as number)));
        const p = adjusted[i] as number;
        const isMore = difference.value > 0;
        const verdict =
          p >= level || difference.value === 0
            ? 'open'
            : isMore === (better === 'more')
              ? 'better'
              : 'worse';
        return {
          setting,
          baseline: base,
          metric,
          items: a.length,
          difference,
          p,
          verdict,
        } as const;
      });
    },
  };
}

function countsOf(cells: readonly { readonly setting: object }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { setting } of cells) {
    const key = keyOf(setting);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function keyOf(setting: object): string {
  return canonical(setting as Json);
}

/** Values by setting, metric and item, each averaged over seeds. */
class ItemValues<Setting extends object, Name extends string> {
  readonly #cells = new Map<string, ExperimentCell<Setting, Name>[]>();

  constructor(cells: readonly ExperimentCell<Setting, Name>[]) {
    for (const cell of cells) {
      const key = keyOf(cell.setting);
      const list = this.#cells.get(key);
      if (list) list.push(cell);
      else this.#cells.set(key, [cell]);
    }
  }

  of(setting: Setting, metric: Name): ReadonlyMap<string, number> {
    const lists = new Map<string, number[]>();
    for (const { item, metrics } of this.#cells.get(keyOf(setting)) ?? []) {
      const value = metrics[metric];
      if (value === undefined) continue;
      const list = lists.get(item);
      if (list) list.push(value);
      else lists.set(item, [value]);
    }
    return new Map(Array.from(lists, ([item, list]) => [item, mean(list)]));
  }
}
