import { InvalidArgumentError } from '../../errors.js';

/** Plain values: they name settings in logs and tables. What is none, such as a function, is looked up by its name. */
export type GridValue = string | number | boolean;

/** Axes of an experiment, each with the values to try. */
export type Grid = Readonly<Record<string, readonly GridValue[]>>;

/** One value of each axis. */
export type SettingOf<G extends Grid> = { readonly [Axis in keyof G]: G[Axis][number] };

/** Any setting, where the axes are not known. */
export type AnySetting = Readonly<Record<string, GridValue>>;

/**
 * All settings of a grid, the last axis changing fastest.
 *
 * @param where which of them to keep; default all
 * @throws InvalidArgumentError for a grid or axis without values, a value twice, or one that is no plain value
 */
export function settingsOf<G extends Grid>(
  grid: G,
  where: (setting: SettingOf<G>) => boolean = () => true,
): SettingOf<G>[] {
  const axes = Object.entries(grid);
  if (axes.length === 0) {
    throw new InvalidArgumentError(
      'The grid is empty. Give it an axis, for example { topK: [4, 8] }.',
    );
  }
  for (const [name, values] of axes) checkAxis(name, values);
  let settings: AnySetting[] = [{}];
  for (const [name, values] of axes) {
    settings = settings.flatMap((setting) =>
      values.map((value) => ({ ...setting, [name]: value })),
    );
  }
  // Each has a value of every axis by now.
  const kept = (settings as SettingOf<G>[]).filter((setting) => where(setting));
  if (kept.length === 0) throw new InvalidArgumentError('`where` keeps no setting of the grid.');
  return kept;
}

function checkAxis(name: string, values: readonly GridValue[]): void {
  if (!Array.isArray(values) || values.length === 0) {
    throw new InvalidArgumentError(`The axis "${name}" of the grid has no values.`);
  }
  const seen = new Set<GridValue>();
  for (const value of values) {
    const isPlain =
      typeof value === 'number'
        ? Number.isFinite(value)
        : typeof value === 'string' || typeof value === 'boolean';
    if (!isPlain) {
      throw new InvalidArgumentError(
        `The axis "${name}" has the value ${String(value)}; give finite numbers, texts or booleans.`,
      );
    }
    if (seen.has(value)) {
      throw new InvalidArgumentError(`The axis "${name}" has the value ${String(value)} twice.`);
    }
    seen.add(value);
  }
}

/** `size=100, topK=4`. */
export function settingLabel(setting: AnySetting): string {
  return Object.entries(setting)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}
