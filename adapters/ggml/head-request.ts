import type { ForwardOutputs } from '../../lib/engine/forward.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import type { HeadRequest } from './collector.js';
import type { Rows } from './rows.js';

/** Which rows go through the output head. */
export function headRequest(
  rows: Rows,
  options: ForwardOutputs,
  live: Int32Array,
): HeadRequest | undefined {
  const wanted = options.logits ?? 'last';
  const losses = options.losses ?? false;
  const alive = new Set(live);
  let numbers: number[];
  if (wanted === 'none') numbers = [];
  else if (wanted === 'all') numbers = [...alive];
  else if (wanted === 'last') {
    numbers = rows.groups
      .filter((group) => group.kind === 'append')
      .map((group) => group.start + group.count - 1);
  } else {
    numbers = [...wanted];
    for (const row of numbers) {
      if (!alive.has(row)) throw new InvalidArgumentError(`Row ${row} is not among the live rows.`);
    }
    if (new Set(numbers).size !== numbers.length) {
      throw new InvalidArgumentError('A row of logits is named twice.');
    }
  }
  const logitRows = Int32Array.from(new Set(numbers)).sort();
  const all = new Set(logitRows);
  if (losses) {
    for (const group of rows.groups) {
      if (group.kind !== 'append') continue;
      for (let row = group.start; row < group.start + group.count - 1; row++) all.add(row);
    }
  }
  if (all.size === 0) return undefined;
  return { rows: Int32Array.from(all).sort(), logits: logitRows.length > 0, logitRows, losses };
}
