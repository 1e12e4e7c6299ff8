import { InvalidArgumentError } from '../../errors.js';
import { linearTicks, logTicks, tickLabel } from './ticks.js';

export interface PlotAxis {
  readonly label: string;
  /** Default `linear`. */
  readonly scale?: 'linear' | 'log';
  /** Ends of the axis; default such that everything is seen. */
  readonly from?: number;
  readonly to?: number;
  /** Values are shares and shown in percent; default false. */
  readonly percent?: boolean;
}

/** An axis laid over the range from 0 to 1. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
  /** Where a value lies; outside of [0, 1] when it is off the axis. */
  readonly place: (value: number) => number;
}

/**
 * @param values that should be seen
 * @param bounds that may be cut off, for example of intervals
 * @throws InvalidArgumentError for what the axis cannot show
 */
export function scaleOf(
  axis: PlotAxis,
  values: readonly number[],
  bounds: readonly number[] = [],
): Scale {
  const isLog = axis.scale === 'log';
  const ends = [axis.from, axis.to].filter((end) => end !== undefined);
  for (const value of [...values, ...ends]) {
    if (Number.isFinite(value) && (!isLog || value > 0)) continue;
    throw new InvalidArgumentError(
      `The ${isLog ? 'logarithmic ' : ''}axis "${axis.label}" cannot show ${value}.`,
    );
  }
  const seen = [
    ...values,
    ...bounds.filter((bound) => Number.isFinite(bound) && (!isLog || bound > 0)),
  ];
  const found = isLog ? logRange(seen) : linearRange(seen);
  const { from = found.from, to = found.to } = axis;
  if (!(to > from) || !Number.isFinite(to - from)) {
    throw new InvalidArgumentError(`The axis "${axis.label}" runs from ${from} to ${to}.`);
  }
  const turn = isLog ? Math.log : (value: number) => value;
  const [start, length] = [turn(from), turn(to) - turn(from)];
  const place = (value: number) =>
    isLog && value <= 0 ? -Infinity : (turn(value) - start) / length;
  const ticks = (isLog ? logTicks : linearTicks)(from, to);
  return {
    from,
    to,
    place,
    ticks: ticks.map((value) => ({ at: place(value), label: tickLabel(value, axis.percent) })),
  };
}

function linearRange(values: readonly number[]): { from: number; to: number } {
  const { least, most } = extent(values, 0, 1);
  // Heights can be compared by eye only above zero; where all are far from it, that would waste the room.
  const low = least > 0 && least < 0.6 * most ? 0 : least;
  const size = Math.max(Math.abs(low), Math.abs(most));
  const isOne = most - low <= Math.max(size * 1e-9, 1e-200);
  const room = isOne ? (size > 1e-200 ? size * 0.1 : 1) : (most - low) * 0.06;
  return { from: low === 0 && !isOne ? 0 : low - room, to: most + room };
}

function logRange(values: readonly number[]): { from: number; to: number } {
  const { least, most } = extent(values, 1, 10);
  const room = most / least > 1 + 1e-9 ? (most / least) ** 0.06 : 2;
  return { from: least / room, to: most * room };
}

function extent(values: readonly number[], none: number, noneTo: number) {
  if (values.length === 0) return { least: none, most: noneTo };
  return values.reduce(
    ({ least, most }, value) => ({ least: Math.min(least, value), most: Math.max(most, value) }),
    { least: Infinity, most: -Infinity },
  );
}
