import { InvalidArgumentError } from '../../errors.js';

/** What is measured of an output; undefined where it says nothing of this case. */
export type Measure<Output, Item> = (output: Output, item: Item) => number | undefined;

/** A measure of which more is better, or one that says which is. */
export type Metric<Output, Item> =
  | Measure<Output, Item>
  | { readonly of: Measure<Output, Item>; readonly better: 'more' | 'less' };

/** Not `Readonly<Record<…>>`: through it the compiler does not find what `run` gives. */
export type Metrics<Output, Item, Name extends string> = {
  readonly [One in Name]: Metric<Output, Item>;
};

/** The values of all metrics. @throws InvalidArgumentError for one that is no finite number */
export function measured<Output, Item, Name extends string>(
  metrics: Metrics<Output, Item, Name>,
  output: Output,
  item: Item,
): Partial<Record<Name, number>> {
  const values: Partial<Record<Name, number>> = {};
  for (const [name, metric] of Object.entries(metrics) as [Name, Metric<Output, Item>][]) {
    const value = (typeof metric === 'function' ? metric : metric.of)(output, item);
    if (value === undefined) continue;
    if (!Number.isFinite(value)) {
      throw new InvalidArgumentError(
        `the metric "${name}" gave ${String(value)}; give a finite number, or undefined where there is none`,
      );
    }
    values[name] = value;
  }
  return values;
}
