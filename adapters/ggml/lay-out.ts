import type { RowGroup } from '../../lib/engine/arena.js';
import type { GgmlArena } from './arena.js';
import { checkReach, type GroupRows, type Rows } from './rows.js';
import type { GgmlSequence } from './sequence.js';

/** Rows of a batch, group by group, appended ones in the cells that were taken for them. */
export function layOut(
  arena: GgmlArena,
  groups: readonly RowGroup[],
  taken: readonly Int32Array[],
): Rows {
  const count = groups.reduce(
    (sum, group) => sum + (group.kind === 'append' ? group.tokens : group.entries).length,
    0,
  );
  const rows = {
    count,
    tokens: new Int32Array(count),
    positions: new Int32Array(count),
    cells: new Int32Array(count),
    group: new Uint16Array(count),
    entry: new Int32Array(count).fill(-1),
    groups: [] as GroupRows[],
  };
  const next = new Map<GgmlSequence, number>();
  let start = 0;
  let appended = 0;
  groups.forEach((group, number) => {
    const sequence = group.sequence as GgmlSequence;
    const state = sequence.state;
    const size = (group.kind === 'append' ? group.tokens : group.entries).length;
    if (group.kind === 'append') {
      const first = next.get(sequence) ?? sequence.nextPosition;
      const positions = group.positions ?? Int32Array.from(group.tokens, (_, i) => first + i);
      const highest = positions.reduce((a, b) => Math.max(a, b), first - 1);
      checkReach(highest, arena.model.info.contextLength);
      next.set(sequence, highest + 1);
      rows.tokens.set(group.tokens, start);
      rows.positions.set(positions, start);
      rows.cells.set(taken[appended++] as Int32Array, start);
    } else {
      group.entries.forEach((entry, i) => {
        rows.tokens[start + i] = state.tokens[entry] as number;
        rows.positions[start + i] = state.positions[entry] as number;
        rows.cells[start + i] = state.cells[entry] as number;
        rows.entry[start + i] = entry;
      });
    }
    rows.group.fill(number, start, start + size);
    rows.groups.push({ kind: group.kind, sequence, start, count: size });
    start += size;
  });
  return rows;
}

/** Row numbers, sequence by sequence and by position: a row is computed after all that it sees. */
export function inComputeOrder(rows: Rows): Int32Array {
  const sequence = sequenceNumbers(rows);
  const of = (row: number): number => sequence[rows.group[row] as number] as number;
  const order = Int32Array.from(rows.positions.keys());
  return order.sort(
    (a, b) =>
      of(a) - of(b) || (rows.positions[a] as number) - (rows.positions[b] as number) || a - b,
  );
}

/** For each group, the number of the first group of the same sequence. */
export function sequenceNumbers(rows: Rows): number[] {
  return rows.groups.map((group) =>
    rows.groups.findIndex((other) => other.sequence === group.sequence),
  );
}

/** The highest position of a group's live rows; -1 without any. */
export function lastPosition(group: GroupRows, rows: Rows, order: Int32Array): number {
  let last = -1;
  for (const row of order) {
    const inGroup = row >= group.start && row < group.start + group.count;
    if (inGroup && (rows.positions[row] as number) > last) last = rows.positions[row] as number;
  }
  return last;
}
